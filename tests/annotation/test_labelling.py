"""Labelling runs: which of them a map reads, and that everything which reads categories follows it."""

from __future__ import annotations

import pytest

from annotation.catalogue import asking, held, stored
from annotation.catalogue.wanted import Wanted
from annotation.labelling import labels_to_merge, links_read
from annotation.merge.drafts import map_draft_open
from annotation.models import IntentLabel, MergeMap, Prompt
from annotation.pages.prompts import labels_of
from annotation.selectors import label_counts, labels_undecided, prompt_categories, prompts_asked
from annotation.spread import spread
from madsafe_web.core.models import Run
from tests.factories import make_label, make_map, make_prompts, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def prompts() -> list[Prompt]:
    return make_prompts(2)


def names(merge_map: MergeMap) -> list[str]:
    return [label.name for label in labels_to_merge(merge_map)]


def test_a_draft_reads_the_runs_that_label_other_prompts(prompts: list[Prompt]) -> None:
    first, second = make_run(), make_run()
    make_label("old", prompts[:1], first)
    make_label("new", prompts[1:], second)
    assert (map_draft_open().runs, map_draft_open().runs_left) == ([first.pk, second.pk], [])


def test_a_run_that_labels_all_prompts_of_an_older_one_takes_its_place(prompts: list[Prompt]) -> None:
    first, second = make_run(), make_run()
    make_label("old", prompts, first)
    make_label("new", prompts, second)
    draft = map_draft_open()
    assert (draft.runs, draft.runs_left, names(draft)) == ([second.pk], [first.pk], ["new"])


def test_a_run_at_work_is_not_read_yet(prompts: list[Prompt]) -> None:
    make_label("old", prompts, make_run(state=Run.State.RUNNING))
    assert map_draft_open().runs == []


def test_a_run_that_ended_since_is_read_by_the_draft_that_is_open(prompts: list[Prompt]) -> None:
    map_draft_open()
    run = make_run()
    make_label("new", prompts, run)
    assert map_draft_open().runs == [run.pk]


def test_what_a_stage_generates_is_read_by_every_map(prompts: list[Prompt]) -> None:
    published = make_map({make_label("fraud", prompts[:1]): "CIA"}, published=True)
    make_label("fraud", prompts[1:], make_run("augment_related"))
    assert set(prompt_categories(published).values()) == {"CIA"}
    assert len(prompt_categories(published)) == 2


@pytest.fixture
def two_maps(prompts: list[Prompt]) -> tuple[MergeMap, MergeMap]:
    """A map of one labelling run, and its successor of another that labels the same prompts."""
    old = make_label("old", prompts, make_run())
    first = make_map({old: "CIA"}, published=True)
    new = make_label("new", prompts, make_run())
    return first, make_map({new: "PP"}, published=True)


def test_a_published_map_says_the_same_for_ever(prompts: list[Prompt], two_maps: tuple[MergeMap, MergeMap]) -> None:
    assert [set(prompt_categories(one).values()) for one in two_maps] == [{"CIA"}, {"PP"}]


def test_figures_are_of_the_runs_of_their_map(two_maps: tuple[MergeMap, MergeMap]) -> None:
    counted = [[dict(found) for found in spread(one).by_category.values()] for one in two_maps]
    assert counted == [[{"CIA": 2}], [{"PP": 2}]]


def test_the_catalogue_counts_by_the_runs_of_a_map(two_maps: tuple[MergeMap, MergeMap]) -> None:
    catalogue = held.current()
    wanted = [Wanted(merge_map=one.pk) for one in two_maps]
    assert [asking.counts(catalogue, one, "category") for one in wanted] == [{"CIA": 2}, {"PP": 2}]
    assert [stored.counts(one, "category") for one in wanted] == [{"CIA": 2}, {"PP": 2}]


def test_prompts_of_a_category_are_found_by_the_runs_of_the_newest_map(two_maps: tuple[MergeMap, MergeMap]) -> None:
    found = {code: prompts_asked(Prompt.objects.all(), {"category": code}).count() for code in ("CIA", "PP")}
    assert found == {"CIA": 0, "PP": 2}


def test_a_prompt_shows_the_labels_of_the_runs_of_its_map(
    prompts: list[Prompt], two_maps: tuple[MergeMap, MergeMap]
) -> None:
    shown = [[one.name for one in labels_of([prompts[0].pk], merge_map)[prompts[0].pk]] for merge_map in two_maps]
    assert shown == [["old"], ["new"]]


def test_labels_are_counted_by_the_runs_of_a_map(two_maps: tuple[MergeMap, MergeMap]) -> None:
    old, new = IntentLabel.objects.order_by("pk")
    assert [label_counts(one) for one in two_maps] == [{old.pk: 2}, {new.pk: 2}]


def test_labels_of_a_replaced_run_are_not_undecided(prompts: list[Prompt]) -> None:
    make_label("old", prompts, make_run())
    make_label("new", prompts, make_run())
    map_draft_open()
    assert labels_undecided() == 1


def test_a_map_that_names_no_run_reads_all(prompts: list[Prompt]) -> None:
    make_label("fraud", prompts)
    assert links_read(MergeMap(runs=[])).count() == 2
