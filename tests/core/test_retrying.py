"""Asking failed rows again: nothing is doubled, the counts add up, and nobody's work is taken away."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from madsafe_web.core.llm.base import CallError
from madsafe_web.core.models import AuditEvent, Chunk, Run
from madsafe_web.core.runs import service, worker
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.retrying import run_retry
from madsafe_web.core.runs.stage import Outcome, Result
from tests.core.test_runs import Trap, outcomes, plan, started, test_stages  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)
S = Run.State
ALL_KEPT = {"read": 25, "kept": 25, "duplicate": 0, "rejected": 0, "failed": 0}


def ended_with_failures() -> Run:
    """A run of 25 rows that is done; rows 2 and 11 timed out, row 21 was not understood."""
    timeout = CallError("timeout", "no answer in 60 s")
    Trap.at = {"2": timeout, "11": timeout, "21": Result(None, Outcome.UNPARSED, "No number.")}
    run = worker.work_on(started().pk)
    assert (run.state, service.counts(run)["failed"]) == (S.DONE, 3)
    Trap.at, Trap.written = {}, []
    return run


def test_the_failed_rows_alone_are_asked_again_and_the_run_is_done_anew() -> None:
    run = ended_with_failures()
    assert run_retry(run=run, user=None) == 3
    run = worker.work_on(run.pk)
    assert (run.state, service.counts(run)) == (S.DONE, ALL_KEPT)
    assert Trap.written == ["2", "11", "21"]
    assert sorted(run.rows.values_list("subject", flat=True), key=int) == plan(run)


def test_the_counts_add_up_while_the_rows_wait() -> None:
    run = ended_with_failures()
    run_retry(run=run, user=None)
    assert service.counts(run) == {**ALL_KEPT, "read": 22, "kept": 22}
    assert list(run.chunks.order_by("seq").values_list("state", flat=True)) == [Chunk.State.OPEN] * 3


def test_chunks_without_a_failed_row_stay_done() -> None:
    run = ended_with_failures()
    assert run_retry(run=run, user=None, kind="unparsed") == 1
    assert list(run.chunks.order_by("seq").values_list("state", flat=True)) == ["done", "done", "open"]


def test_one_class_is_asked_again_and_the_others_stay_failed() -> None:
    run = ended_with_failures()
    assert run_retry(run=run, user=None, kind="timeout") == 2
    run = worker.work_on(run.pk)
    assert outcomes(run) == {"done": 24, "unparsed": 1}
    assert run.state == S.DONE


def test_a_class_without_rows_changes_nothing() -> None:
    run = ended_with_failures()
    assert run_retry(run=run, user=None, kind="no such class") == 0
    run.refresh_from_db()
    assert (run.state, service.counts(run)["failed"]) == (S.DONE, 3)
    assert not AuditEvent.objects.filter(verb="run.retry").exists()


def test_asking_twice_takes_the_rows_back_once() -> None:
    run = ended_with_failures()
    assert [run_retry(run=run, user=None) for _ in range(2)] == [3, 0]
    assert AuditEvent.objects.filter(verb="run.retry").count() == 1


@pytest.mark.parametrize("state", [S.RUNNING, S.PAUSING, S.CANCELLING, S.CANCELLED])
def test_a_run_in_work_or_cancelled_is_left_alone(state: S) -> None:
    run = ended_with_failures()
    Run.objects.filter(pk=run.pk).update(state=state)
    assert run_retry(run=run, user=None) == 0
    assert service.counts(run)["failed"] == 3


def test_a_part_that_a_worker_still_holds_is_not_taken_from_it() -> None:
    run = ended_with_failures()
    lease = {"state": Chunk.State.LEASED, "owner": "far/1/1.0/1", "lease_until": Now() + timedelta(seconds=60)}
    run.chunks.filter(seq=1).update(**lease)
    Run.objects.filter(pk=run.pk).update(state=S.FAILED)
    with pytest.raises(StageError, match="Wait some seconds"):
        run_retry(run=run, user=None)
    run.refresh_from_db()
    assert (run.state, service.counts(run)["failed"], run.rows.count()) == (S.FAILED, 3, 25)


def test_rows_that_fail_again_are_counted_once() -> None:
    run = ended_with_failures()
    Trap.at = {"2": CallError("timeout", "no answer in 60 s")}
    run_retry(run=run, user=None)
    run = worker.work_on(run.pk)
    assert service.counts(run) == {**ALL_KEPT, "kept": 24, "failed": 1}
    assert run.rows.count() == 25


def test_who_asked_stands_in_the_record_and_in_the_log() -> None:
    run = ended_with_failures()
    run_retry(run=run, user=None, kind="timeout")
    assert AuditEvent.objects.get(verb="run.retry").facts == {"rows": 2, "kind": "timeout"}
    assert run.events.filter(text__contains="2 failed rows of class 'timeout'").exists()


def test_an_older_run_whose_rows_are_asked_again_does_not_become_the_newest() -> None:
    older = ended_with_failures()
    newer = worker.work_on(started().pk)
    run_retry(run=older, user=None)
    worker.work_on(older.pk)
    assert service.upstream(service.run_create(stage_name="whole", values={}), "rows") == newer
