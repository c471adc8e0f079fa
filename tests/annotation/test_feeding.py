"""The rows of a large file come from a second process exactly as a small one's come from this one."""

from __future__ import annotations

import concurrent.futures.thread
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from annotation import feeding
from annotation.feeding import Batch, feed
from annotation.importers.base import ImportOptions
from annotation.importers.safety_prompts import IMPORTER
from annotation.models import Prompt
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.worker import work_on
from tests.performance import pairs


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "BESIDE_BYTES", 0)
    monkeypatch.setattr(feeding, "BATCH_ROWS", 100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    pairs.write(tmp_path / "pairs.json", pairs=1000)
    return tmp_path / "pairs.json"


def parts(path: Path, *, skip: int = 0, counted: bool = True) -> list[int | Batch]:
    with feed(IMPORTER, path, ImportOptions(), skip=skip, counted=counted) as given:
        return list(given)


def children() -> list[psutil.Process]:
    """Those that read a file; other tests may have left children of other kinds."""
    living = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in living if "annotation.feeding" in " ".join(one.cmdline())]


def test_a_second_process_gives_what_this_one_would(path: Path, monkeypatch: pytest.MonkeyPatch, beside: None) -> None:
    given = parts(path)
    monkeypatch.setattr(feeding, "BESIDE_BYTES", 10**9)
    assert given == parts(path)
    assert (given[0], len(given)) == (1000, 11)


def test_rows_that_are_stored_already_are_left_out(path: Path, beside: None) -> None:
    everything = [row for batch in parts(path, counted=False) for row in batch]  # type: ignore[union-attr]
    rest = [row for batch in parts(path, skip=250, counted=False) for row in batch]  # type: ignore[union-attr]
    assert rest == everything[250:]


def test_a_file_that_breaks_off_is_refused_by_its_name_before_any_row(path: Path, beside: None) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    with (
        feed(IMPORTER, path, ImportOptions(), skip=0, counted=True) as given,
        pytest.raises(StageError, match=r"pairs\.json.*Nothing of this file was imported"),
    ):
        next(given)


def test_the_second_process_ends_with_the_feed(path: Path, beside: None) -> None:
    with feed(IMPORTER, path, ImportOptions(), skip=0, counted=False) as given:
        next(given)
        assert len(children()) == 1
    assert not children()


def test_the_thread_that_takes_parts_ends_with_the_feed(path: Path, beside: None) -> None:
    before = set(threading.enumerate())
    with feed(IMPORTER, path, ImportOptions(), skip=0, counted=False) as given:
        next(given)
        assert len({*threading.enumerate()} - before) == 1
    assert not {*threading.enumerate()} - before


def test_rows_come_when_the_first_thread_has_ended_as_in_a_cold_stop_of_a_worker(
    path: Path, beside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with feed(IMPORTER, path, ImportOptions(), skip=0, counted=True) as given:
        next(given)
        monkeypatch.setattr(concurrent.futures.thread, "_shutdown", True)  # no executor takes work from then on
        assert len(list(given)) == 10


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_the_second_process_leaves_signals_to_the_first(sign: signal.Signals, path: Path, beside: None) -> None:
    with feed(IMPORTER, path, ImportOptions(), skip=0, counted=True) as given:
        next(given)
        os.kill(children()[0].pid, sign)
        assert len(list(given)) == 10


def test_a_file_that_goes_away_before_it_is_read_is_named(path: Path, beside: None) -> None:
    with feed(IMPORTER, path, ImportOptions(), skip=0, counted=True) as given:
        path.unlink()  # the second process starts with the first row that is asked for
        with pytest.raises(StageError, match=r"pairs\.json.*What was stored is kept"):
            list(given)


def killed_after_two(given: Iterator[int | Batch]) -> Iterator[int | Batch]:
    yield next(given)
    yield next(given)
    os.kill(children()[0].pid, signal.SIGKILL)
    yield from given


@pytest.mark.django_db
def test_an_import_whose_second_process_is_killed_says_so_and_goes_on_when_resumed(
    path: Path, beside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"files": [{"path": str(path), "format": "safety_prompts"}]}
    run = service.run_create(stage_name="import", values=values)
    original = feeding._beside
    monkeypatch.setattr(feeding, "_beside", lambda wanted: killed_after_two(original(wanted)))
    service.run_start(run)
    run = work_on(run.pk)
    assert "ended too early (exit code -9). What was stored is kept" in run.error
    monkeypatch.setattr(feeding, "_beside", original)
    service.run_start(run)
    run = work_on(run.pk)
    assert (run.state, service.counts(run)["read"]) == (Run.State.DONE, 1000)
    assert Prompt.objects.count() == service.counts(run)["kept"] - repeated(path)


def repeated(path: Path) -> int:
    """How many rows brought a new response to a prompt that an earlier row brought."""
    keys = [row.key for batch in parts(path, counted=False) for row in batch]  # type: ignore[union-attr]
    return len(keys) - len(set(keys))
