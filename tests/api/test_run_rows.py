"""The failed rows of a run over the API: read by class, and asked again."""

from __future__ import annotations

import pytest

from madsafe_web.core.models import Chunk, Generation, Run, RunRow
from tests.api.calls import Program, problem, rows, verbs
from tests.factories import make_endpoint, make_run

S = Run.State


@pytest.fixture
def run(db: None) -> Run:
    """A run that is done; row 1 timed out, row 2 was not understood."""
    run = make_run(state=S.DONE, total=3)
    counts = {"read": 3, "kept": 1, "failed": 2, "state": Chunk.State.DONE}
    Chunk.objects.create(run=run, seq=0, subjects=["1", "2", "3"], **counts)
    RunRow.objects.create(run=run, subject="1", outcome="error", error_class="timeout", message="no answer")
    RunRow.objects.create(run=run, subject="2", outcome="unparsed", message="no number")
    RunRow.objects.create(run=run, subject="3", outcome="done")
    return run


def test_the_failed_rows_are_given_newest_first_with_their_class(annotator_api: Program, run: Run) -> None:
    found = rows(annotator_api.ask(f"runs/{run.pk}/failed/"))
    assert [(row["subject"], row["kind"]) for row in found] == [("2", "unparsed"), ("1", "timeout")]


def test_the_failed_rows_are_given_by_class(annotator_api: Program, run: Run) -> None:
    found = rows(annotator_api.ask(f"runs/{run.pk}/failed/", kind="timeout"))
    assert [row["message"] for row in found] == ["no answer"]


def test_the_failed_rows_are_given_page_by_page(annotator_api: Program, run: Run) -> None:
    page = annotator_api.ask(f"runs/{run.pk}/failed/", limit=1).json()
    assert [row["subject"] for row in page["results"]] == ["2"]
    assert [row["subject"] for row in rows(annotator_api.get(page["next"]))] == ["1"]


def test_the_failed_rows_of_one_class_are_asked_again(lead_api: Program, run: Run) -> None:
    found = lead_api.send(f"runs/{run.pk}/retry/", {"kind": "timeout"}).json()
    assert (found["state"], found["counts"]["failed"], found["counts"]["read"]) == ("queued", 1, 2)
    assert verbs() == ["run.retry"]


def test_asking_again_with_the_same_key_is_done_once(lead_api: Program, run: Run) -> None:
    first, second = (lead_api.send(f"runs/{run.pk}/retry/", key="one-key-for-both") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert verbs() == ["run.retry"]


def test_a_run_without_such_rows_is_a_conflict(lead_api: Program, run: Run) -> None:
    assert problem(lead_api.send(f"runs/{run.pk}/retry/", {"kind": "other"}), 409)["state"] == "done"


def test_only_a_lead_asks_again(annotator_api: Program, run: Run) -> None:
    problem(annotator_api.send(f"runs/{run.pk}/retry/"), 403)


@pytest.mark.parametrize(("program", "replies"), [("lead_api", ["one", None]), ("annotator_api", [None, None])])
def test_who_may_start_runs_gets_the_raw_replies(
    program: str, replies: list[str | None], run: Run, request: pytest.FixtureRequest
) -> None:
    said = {"call_key": "0" * 32, "text": "one", "finish": "length"}
    Generation.objects.create(run=run, endpoint=make_endpoint(), **said)
    run.trails.create(subject="2", reply="0" * 32)
    found = rows(request.getfixturevalue(program).ask(f"runs/{run.pk}/failed/"))
    assert [row["reply"] and row["reply"]["text"] for row in found] == replies


def test_what_was_not_understood_is_read_again(lead_api: Program, run: Run) -> None:
    found = lead_api.send(f"runs/{run.pk}/reread/").json()
    assert (found["state"], found["counts"]["failed"]) == ("queued", 1)
    assert verbs() == ["run.reread"]


def test_a_run_with_rows_that_were_never_asked_is_a_conflict(lead_api: Program, run: Run) -> None:
    Chunk.objects.create(run=run, seq=1, subjects=["4"])
    assert "not asked yet" in problem(lead_api.send(f"runs/{run.pk}/reread/"), 409)["detail"]
