"""Which version of the map a run reads, and that a run made again on another one follows it."""

from __future__ import annotations

import pytest

from annotation.merge.reading import map_of
from annotation.models import MergeMap
from annotation.selectors import prompt_categories
from madsafe_web.core.runs.errors import StageError
from tests.factories import make_label, make_map, make_prompts, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def maps() -> tuple[MergeMap, MergeMap]:
    label = make_label("fraud", make_prompts(1))
    return make_map({label: "CIA"}, published=True), make_map({label: "PP"}, published=True)


def test_a_run_reads_the_newest_map_and_notes_it(maps: tuple[MergeMap, MergeMap]) -> None:
    run = make_run("select")
    assert map_of(run) == maps[1]
    run.refresh_from_db()
    assert run.outputs["map"] == 2


def test_a_map_that_is_published_meanwhile_changes_nothing(maps: tuple[MergeMap, MergeMap]) -> None:
    run = make_run("select")
    map_of(run)
    make_map(published=True)
    assert map_of(run) == maps[1]


def test_each_version_gives_its_own_categories(maps: tuple[MergeMap, MergeMap]) -> None:
    read = [map_of(make_run("select", params={"map": version})) for version in (1, 2)]
    assert [set(prompt_categories(one).values()) for one in read] == [{"CIA"}, {"PP"}]


def test_a_version_that_there_is_not_is_told(maps: tuple[MergeMap, MergeMap]) -> None:
    with pytest.raises(StageError, match="no published map v9"):
        map_of(make_run("select", params={"map": 9}))
