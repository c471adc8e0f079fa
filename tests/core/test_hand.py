"""What a worker holds of a run: chunks that overlap, given back when it is paused or has lost one."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from madsafe_web.core.llm.base import EndpointDown
from madsafe_web.core.models import Chunk, Run, RunEvent, RunRow
from madsafe_web.core.runs import hand, lease, rows, service, worker
from madsafe_web.core.runs.budget import Budget
from madsafe_web.core.runs.hand import Hand
from madsafe_web.core.runs.rows import Group, RowEngine
from tests.core.test_bulk import by_index, plan_of
from tests.core.test_runs import S, Trap, started, test_stages  # noqa: F401  # a fixture

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_pause_asked_for_in_the_middle_keeps_the_rest_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started()
    halted = threading.Event()
    store, halt = Hand._store, RowEngine.halt

    def pause_after_first(hand: Hand, *arguments: Any) -> None:
        store(hand, *arguments)
        Run.objects.filter(pk=run.pk).update(state=S.PAUSING)

    def released(engine: RowEngine) -> Group:
        engine.stop = True
        halted.set()
        return halt(engine)

    monkeypatch.setattr(Hand, "_store", pause_after_first)
    monkeypatch.setattr(RowEngine, "halt", released)
    Trap.at = {"12": lambda: halted.wait(20)}
    run = worker.work_on(run.pk)
    monkeypatch.setattr(Hand, "_store", store)
    monkeypatch.setattr(RowEngine, "halt", halt)
    assert run.state == S.PAUSED
    assert 0 < run.rows.count() < 25
    assert service.run_start(run)
    assert worker.work_on(run.pk).state == S.DONE
    assert run.rows.count() == 25


def test_a_worker_that_lost_a_lease_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started()
    store = Hand._store

    def taken_over(hand: Hand, *arguments: Any) -> None:
        Chunk.objects.filter(seq=1).update(owner="fast", lease_until=lease.lease_end())
        store(hand, *arguments)

    monkeypatch.setattr(Hand, "_store", taken_over)
    run = worker.work_on(run.pk)
    assert run.state == S.RUNNING
    assert not RunRow.objects.exists()
    assert [chunk.state for chunk in run.chunks.order_by("seq")] == ["open", "leased", "open"]


def test_a_slow_row_keeps_no_other_chunk_from_being_worked_on() -> None:
    last = asyncio.Event()

    async def until_the_last() -> None:
        await asyncio.wait_for(last.wait(), 20)

    Trap.at = {"0": until_the_last, "24": last.set}
    assert worker.work_on(started().pk).state == S.DONE


def test_rows_that_stand_still_are_told_in_the_log_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand, "STALL_S", 0.02)
    monkeypatch.setattr(rows, "IDLE_WAIT_S", 0.01)
    run = started()

    async def until_it_is_told() -> None:
        while not await asyncio.to_thread(RunEvent.objects.filter(text__startswith="No row has ended").exists):
            await asyncio.sleep(0.01)

    Trap.at = {"24": until_it_is_told}
    assert worker.work_on(run.pk).state == S.DONE


def test_at_the_deadline_what_is_in_hand_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "IDLE_WAIT_S", 0.01)
    run = started()
    halted = threading.Event()
    halt = RowEngine.halt

    def released(engine: RowEngine) -> Group:
        engine.stop = True
        halted.set()
        return halt(engine)

    def late_once_two_chunks_are_done() -> float:
        return float("inf") if run.chunks.filter(state="done").count() == 2 else time.monotonic()

    monkeypatch.setattr(RowEngine, "halt", released)
    monkeypatch.setattr(hand, "time", SimpleNamespace(monotonic=late_once_two_chunks_are_done))
    Trap.at = {"24": lambda: asyncio.to_thread(halted.wait, 20)}
    run = worker.work_on(run.pk, seconds=1000)
    assert run.state == S.RUNNING
    assert [chunk.state for chunk in run.chunks.order_by("seq")] == ["done", "done", "open"]


def test_what_other_workers_used_is_learnt_in_the_loop_that_counts_the_replies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learnt_in = []
    monkeypatch.setattr(Budget, "learn", lambda *_: learnt_in.append(threading.current_thread().name))
    run = started()
    Run.objects.filter(pk=run.pk).update(most_calls=5)
    assert worker.work_on(run.pk).state == S.DONE
    assert set(learnt_in) == {"rows"}


def test_a_budget_of_time_ends_also_a_run_that_reserves_no_call() -> None:
    run = started()
    Run.objects.filter(pk=run.pk).update(most_seconds=0)
    run = worker.work_on(run.pk)
    assert (run.state, run.rows.count()) == (S.OVER_BUDGET, 0)
    assert "The budget of 0 seconds is spent" in run.error


def test_what_this_process_no_longer_works_on_is_free_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any) -> None:
        raise OperationalError("connection refused")

    run = started()
    with monkeypatch.context() as away:
        away.setattr(lease, "release", nobody)
        Trap.at = {"0": EndpointDown("down", "away")}
        with pytest.raises(OperationalError):
            worker.work_on(run.pk)
    assert run.chunks.filter(state="leased").exists()
    Trap.at = {}
    assert worker.work_on(run.pk).state == S.DONE


def test_what_this_process_works_on_is_not_free() -> None:
    run = started()
    held: list[int] = []

    def look() -> None:
        lease.free_dead(run)
        held.append(run.chunks.filter(state="leased").count())
        connection.close()  # this thread's own

    Trap.at = {"0": lambda: asyncio.to_thread(look)}
    assert worker.work_on(run.pk).state == S.DONE
    assert held[0]


def test_which_rows_of_a_chunk_have_ended_is_looked_up_by_the_run() -> None:
    run = started()
    chunk = run.chunks.order_by("seq").first()
    assert chunk
    chunk.read = 1
    with transaction.atomic():
        plan = plan_of(lambda: hand.ended_rows(run, chunk))
    assert by_index(plan, "run_id")


def test_a_chunk_without_an_ended_row_is_not_looked_up(django_assert_num_queries: Any) -> None:
    run = started()
    chunk = run.chunks.order_by("seq").first()
    assert chunk
    with django_assert_num_queries(0):
        assert hand.ended_rows(run, chunk) == set()


def test_a_row_that_ended_is_not_worked_on_again() -> None:
    run = started()
    run.rows.create(subject="1", outcome="done")
    run.chunks.filter(seq=0).update(read=1, kept=1)
    assert worker.work_on(run.pk).state == S.DONE
    assert sorted(Trap.written, key=int) == [str(number) for number in range(25) if number != 1]
