"""Notes of batches: which one holds a call, without every call in memory."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import pytest

from madsafe_web.core.llm.batch_notes import KEPT_S, Batch, Notes


@pytest.fixture
def others(tmp_path: Path) -> Notes:
    """The notes of another worker in the same folder."""
    return Notes(tmp_path)


def learnt(folder: Path, *, unsent: bool = True) -> Notes:
    notes = Notes(folder)
    notes.read(unsent=unsent)
    return notes


def test_a_call_is_found_in_the_batch_that_another_worker_noted(others: Notes, tmp_path: Path) -> None:
    batch = Batch("d1", ["a", "b"], "batch-1")
    others.write(batch)
    notes = learnt(tmp_path)
    assert [notes.holder(key) for key in "abc"] == ["d1", "d1", ""]
    assert notes.load("d1") == batch


def test_a_batch_without_the_providers_id_counts_only_at_the_beginning(others: Notes, tmp_path: Path) -> None:
    others.write(Batch("d1", ["a"]))
    assert learnt(tmp_path, unsent=False).holder("a") == ""
    assert learnt(tmp_path, unsent=True).holder("a") == "d1"


def test_a_note_is_learnt_of_once_its_batch_was_sent(others: Notes, tmp_path: Path) -> None:
    others.write(Batch("d1", ["a"]))
    notes = learnt(tmp_path, unsent=False)
    others.write(Batch("d1", ["a"], "batch-1"))
    notes.read(unsent=False)
    assert notes.holder("a") == "d1"


def test_a_call_that_was_dropped_is_held_by_no_batch_and_the_others_are(others: Notes, tmp_path: Path) -> None:
    others.write(Batch("d1", ["a", "b"], "batch-1"))
    notes = learnt(tmp_path)
    notes.drop(["a"])
    assert [notes.holder(key) for key in "ab"] == ["", "d1"]


def test_a_note_that_is_gone_gives_no_batch(others: Notes, tmp_path: Path) -> None:
    batch = Batch("d1", ["a"], "batch-1")
    others.write(batch)
    notes = learnt(tmp_path)
    others.forget(batch)
    assert notes.load("d1") is None


def test_notes_older_than_the_providers_files_go(others: Notes, tmp_path: Path) -> None:
    others.write(Batch("old", ["a"], "batch-1", time.time() - KEPT_S - 1))
    assert learnt(tmp_path).holder("a") == "" and not list(tmp_path.iterdir())


def test_ones_own_batches_are_not_taken_for_those_of_others(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.write(Batch("d1", ["a"], "batch-1"))
    notes.read(unsent=True)
    assert notes.holder("a") == ""


def test_a_hundred_thousand_noted_calls_take_no_memory_to_speak_of(tmp_path: Path) -> None:
    for number in range(100):
        ids = [f"{number:016x}{place:016x}" for place in range(1000)]
        (tmp_path / f"{number}.json").write_text(
            json.dumps({"digest": str(number), "ids": ids, "id": "x", "made": time.time()})
        )
    tracemalloc.start()
    try:
        notes = learnt(tmp_path)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert notes.holder(f"{99:016x}{999:016x}") == "99"
    assert held < 1 << 20  # as a dictionary it would be 20 MB
    notes.close()
