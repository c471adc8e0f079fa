"""A catalogue on disk: another process takes it up, and nothing that is wrong with a file is ever taken for true."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from annotation.catalogue import held, kept, loading
from annotation.catalogue.index import Catalogue
from annotation.models import Corpus, Prompt
from annotation.versions import data_changed
from tests.annotation.catalogue.material import make_material, make_prompts_mixed
from tests.annotation.catalogue.test_held import told
from tests.factories import make_prompts, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty var folder, where even a small catalogue is kept. What is done beside the request is done at once."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(held, "SMALL", 0)
    monkeypatch.setattr(held, "PAUSE_S", 0)
    monkeypatch.setattr(held, "_beside", done_at_once)
    return tmp_path / "catalogue"


def done_at_once(*steps: Callable[[], object]) -> None:
    for step in steps:
        step()


def made() -> Catalogue:
    """A catalogue that was read from the database and kept."""
    with pytest.raises(held.NotReady):
        held.current()
    return held.current()


def restarted() -> Catalogue:
    held.forget()
    return held.current()


def never(*given: Any) -> Catalogue:
    raise AssertionError("the catalogue was read from the database again")


def test_a_new_process_takes_the_kept_catalogue_without_reading_the_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_material(count=40)
    first = made()
    monkeypatch.setattr(loading, "load", never)
    again = restarted()
    assert again is not first
    assert told(again) == told(first) == told(again)
    assert (again.version, again.made) == (first.version, first.made)
    assert not again.ids.flags.writeable


def test_only_its_owner_may_read_what_is_kept(folder: Path) -> None:
    make_prompts(2)
    made()
    assert [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())] == [0o700, 0o600]


def test_rows_that_came_since_are_put_behind_what_was_kept(folder: Path) -> None:
    make_material(count=40)
    made()
    make_prompts_mixed(Random(1), Corpus.objects.get(name="First"), 5)
    assert len(restarted().ids) == 40  # answers at once with what is there
    newer = held.current()
    assert len(newer.ids) == 45
    assert told(newer) == told(loading.load(newer.version))
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("at", ["middle", "header", "start", "end", "empty"])
def test_a_damaged_file_is_noticed_and_made_anew(folder: Path, at: str) -> None:
    make_material(count=40)
    first = told(made())
    (path,) = folder.iterdir()
    data = bytearray(path.read_bytes())
    places = {"middle": len(data) // 2, "header": 60, "start": 0}
    if at in places:
        data[places[at]] ^= 0xFF
    path.write_bytes(data[: {"end": -7, "empty": 0}.get(at)])
    held.forget()
    assert told(made()) == first
    assert told(restarted()) == first


def test_a_change_takes_what_was_kept_from_the_disk(folder: Path, django_capture_on_commit_callbacks: Any) -> None:
    make_prompts(2)
    made()
    with django_capture_on_commit_callbacks(execute=True):
        data_changed()
    assert list(folder.iterdir()) == []
    held.forget()
    assert len(made().ids) == 2


def test_what_was_kept_before_a_run_ended_is_not_taken(folder: Path) -> None:
    make_prompts(2)
    made()
    make_run("label", state="done", finished=timezone.now())
    with pytest.raises(held.NotReady):
        restarted()


def test_a_file_of_another_history_with_the_same_numbers_is_not_taken(folder: Path) -> None:
    prompt = make_prompts(2)[-1]
    made()
    Prompt.objects.filter(pk=prompt.pk).update(key=bytes(16), text="restored")
    with pytest.raises(held.NotReady):
        restarted()


def test_a_file_of_another_database_is_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_prompts(2)
    made()
    monkeypatch.setitem(connection.settings_dict, "HOST", "elsewhere")
    with pytest.raises(held.NotReady):
        restarted()


def test_where_nothing_can_be_written_the_catalogue_stays_in_memory(folder: Path) -> None:
    make_prompts(2)
    folder.write_text("not a folder")
    assert len(made().ids) == 2
    assert folder.read_text() == "not a folder"


def test_two_processes_that_write_the_same_catalogue_at_once_leave_one_whole_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_material(count=40)
    catalogue, write, inner = loading.load(held.version_now()), kept._write, []

    def while_another_writes(file: Any, given: Catalogue) -> None:
        monkeypatch.setattr(kept, "_write", write)
        inner.append(kept.keep(given))
        write(file, given)

    monkeypatch.setattr(kept, "_write", while_another_writes)
    outer = kept.keep(catalogue)
    assert told(outer) == told(inner[0]) == told(catalogue)
    assert len(list(folder.iterdir())) == 1


def test_what_a_killed_process_began_to_write_is_removed_in_time(folder: Path) -> None:
    make_prompts(2)
    folder.mkdir()
    old, young = folder / ".a.tmp", folder / ".b.tmp"
    for path in (old, young):
        path.touch()
    os.utime(old, (1, 1))
    made()
    assert not old.exists() and young.exists()
