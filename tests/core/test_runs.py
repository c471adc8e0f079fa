"""The run engine: chunks, counts, pause, failure, two workers, and what a kill leaves behind."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection

from madsafe_web.core.llm.base import CallError, EndpointDown
from madsafe_web.core.models import Chunk, Run
from madsafe_web.core.runs import lease, params, service, stages, tasks, worker
from madsafe_web.core.runs.errors import ConfigError, NeedsPeople, StageError
from madsafe_web.core.runs.job import Job
from madsafe_web.core.runs.progress import progress
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage, WholeStage
from tests.factories import make_run

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 25
S = Run.State


@dataclass(frozen=True, slots=True)
class Params:
    rows: int = ROWS
    names: list[str] = field(default_factory=list)


class Trap:
    """What the test stages do at a row; set by each test."""

    at: dict[str, Any] = {}
    written: list[str] = []
    whole: Any = None


def plan(run: Run) -> list[str]:
    return [str(number) for number in range(run.params["rows"])]


def fetch(run: Run, keys: list[str]) -> list[tuple[str, str]]:
    return [(key, key) for key in keys if Trap.at.get(key) != "gone"]


async def process(row: str, values: Params, context: None, ask: Ask) -> Result:
    found = Trap.at.get(row)
    if isinstance(found, BaseException):
        raise found
    if callable(found):
        waits = found()
        if inspect.isawaitable(waits):
            await waits
    return found if isinstance(found, Result) else Result(row)


def write(run: Run, rows: list[tuple[str, str, Result]]) -> list[Result]:
    Trap.written += [key for key, _, _ in rows]
    return [result for _, _, result in rows]


def whole(job: Job) -> None:
    Trap.whole(job)


ROW_STAGE = RowStage(
    name="rows",
    params=Params,
    plan=f"{__name__}:plan",
    fetch=f"{__name__}:fetch",
    process=process,
    write=f"{__name__}:write",
    rows_per_chunk=10,
)
WHOLE_STAGE = WholeStage(name="whole", params=Params, work=f"{__name__}:whole")
ALONE_STAGE = WholeStage(name="lonely", params=Params, work=f"{__name__}:whole", alone=True)


@pytest.fixture(autouse=True)
def test_stages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stages, "stages", lambda: {"rows": ROW_STAGE, "whole": WHOLE_STAGE, "lonely": ALONE_STAGE})
    Trap.at, Trap.written, Trap.whole = {}, [], None
    yield


def started(stage: str = "rows", **values: Any) -> Run:
    run = service.run_create(stage_name=stage, values=values)
    assert service.run_start(run)
    run.refresh_from_db()
    return run


def outcomes(run: Run) -> dict[str, int]:
    found: dict[str, int] = {}
    for outcome in run.rows.values_list("outcome", flat=True):
        found[outcome] = found.get(outcome, 0) + 1
    return found


@pytest.mark.parametrize("state", [S.QUEUED, S.RUNNING, S.PAUSING, S.CANCELLING])
def test_beside_a_run_that_must_be_alone_no_other_starts_until_it_ended(state: S) -> None:
    alone = started("lonely")
    Run.objects.filter(pk=alone.pk).update(state=state)
    other = service.run_create(stage_name="rows", values={})
    assert not service.run_start(other)
    other.refresh_from_db()
    assert (other.state, other.chunks.count()) == (S.FAILED, 0)
    assert other.error == f"{alone} is at work, and no other run may start meanwhile. Start this one when it has ended."
    Run.objects.filter(pk=alone.pk).update(state=S.DONE)
    assert service.run_start(other)


def test_every_row_is_done_once_and_the_run_is_done() -> None:
    run = worker.work_on(started().pk)
    assert run.state == S.DONE
    assert sorted(Trap.written, key=int) == plan(run)
    assert service.counts(run) == {"read": 25, "kept": 25, "duplicate": 0, "rejected": 0, "failed": 0}


def test_a_run_is_cut_into_chunks_when_it_starts() -> None:
    run = started()
    assert [len(chunk.subjects) for chunk in run.chunks.order_by("seq")] == [10, 10, 5]
    assert run.total == 25


def test_a_run_without_rows_is_done_at_once() -> None:
    assert worker.work_on(started(rows=0).pk).state == S.DONE


def test_outcomes_add_up_by_their_kind() -> None:
    Trap.at = {
        "1": Result(None, Outcome.DUPLICATE),
        "2": Result(None, Outcome.REJECTED),
        "3": Result(None, Outcome.UNPARSED),
        "4": CallError("timeout", "no answer in 60 s"),
    }
    run = worker.work_on(started().pk)
    assert service.counts(run) == {"read": 25, "kept": 21, "duplicate": 1, "rejected": 1, "failed": 2}
    failed = run.rows.get(subject="4")
    assert (failed.outcome, failed.error_class) == ("error", "timeout")


def test_a_row_that_vanished_is_said_to_be_skipped() -> None:
    Trap.at = {"7": "gone"}
    run = worker.work_on(started().pk)
    assert run.state == S.DONE
    assert outcomes(run) == {"done": 24, "skipped": 1}


def test_an_endpoint_that_is_down_stops_the_run_with_its_sentence_and_keeps_what_was_done() -> None:
    Trap.at = {"14": EndpointDown("down", "http://127.0.0.1:9/v1 does not answer. Start it, then resume.")}
    run = worker.work_on(started().pk)
    assert run.state == S.FAILED
    assert run.error == "http://127.0.0.1:9/v1 does not answer. Start it, then resume."
    assert service.counts(run)["read"] >= 10


def test_a_failed_run_goes_on_where_it_stopped() -> None:
    Trap.at = {"14": EndpointDown("down", "away")}
    run = worker.work_on(started().pk)
    before = set(run.rows.values_list("subject", flat=True))
    Trap.at, Trap.written = {}, []
    assert service.run_start(run)
    run = worker.work_on(run.pk)
    assert run.state == S.DONE
    assert before.isdisjoint(Trap.written)
    assert run.rows.count() == 25


def test_an_unexpected_error_fails_the_run_and_names_its_kind() -> None:
    Trap.at = {"3": KeyError("surprise")}
    run = worker.work_on(started().pk)
    assert run.state == S.FAILED
    assert "KeyError in stage 'rows'" in run.error


def test_a_cancelled_run_cannot_be_started_again() -> None:
    run = started()
    assert service.run_cancel(run)
    run.refresh_from_db()
    assert run.state == S.CANCELLED
    assert not service.run_start(run)
    assert worker.work_on(run.pk).rows.count() == 0


def test_a_chunk_in_another_workers_hand_is_left_alone() -> None:
    run = started()
    mine = lease.claim(run, "elsewhere/1/0.00/1")
    assert mine is not None
    run = worker.work_on(run.pk)
    assert run.state == S.RUNNING
    assert run.rows.count() == 15
    lease.release(mine, "elsewhere/1/0.00/1")
    assert worker.work_on(run.pk).state == S.DONE
    assert run.rows.count() == 25


def test_the_chunk_of_a_dead_process_of_this_host_is_taken_over_at_once() -> None:
    run = started()
    dead = lease.owner_name().rsplit("/", 3)
    chunk = lease.claim(run, f"{dead[0]}/999999999/0.00/1")
    assert chunk is not None
    assert worker.work_on(run.pk).state == S.DONE


def test_an_expired_lease_is_claimed_by_the_next_worker() -> None:
    run = started(rows=5)
    assert lease.claim(run, "elsewhere/1/0.00/1") is not None
    assert lease.claim(run, "me") is None
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_chunk SET lease_until = '2000-01-01 00:00:00'")
    chunk = lease.claim(run, "me")
    assert chunk is not None
    assert chunk.attempts == 2


def test_a_chunk_that_takes_worker_after_worker_down_fails_the_run() -> None:
    run = started(rows=5)
    Chunk.objects.update(attempts=5)
    run = worker.work_on(run.pk)
    assert run.state == S.FAILED
    assert "took 5 workers down" in run.error


def test_working_on_a_done_run_again_changes_nothing() -> None:
    run = worker.work_on(started().pk)
    finished = run.finished
    again = worker.work_on(run.pk)
    assert (again.state, again.finished, again.rows.count()) == (S.DONE, finished, 25)


def test_a_run_waiting_for_people_says_what_for() -> None:
    def wait(job: Job) -> None:
        raise NeedsPeople("3 labels wait.")

    Trap.whole = wait
    run = worker.work_on(started("whole").pk)
    assert (run.state, run.error) == (S.NEEDS_PEOPLE, "3 labels wait.")
    Trap.whole = lambda job: None
    assert service.run_start(run)
    assert worker.work_on(run.pk).state == S.DONE


def test_counts_that_do_not_add_up_keep_a_run_from_being_done() -> None:
    def short(job: Job) -> None:
        job.total(3)
        with job.commit(kept=2):
            pass

    Trap.whole = short
    run = worker.work_on(started("whole").pk)
    assert run.state == S.FAILED
    assert "read 2 of 3 rows" in run.error


def test_a_commit_that_fails_leaves_neither_counts_nor_cursor() -> None:
    def broken(job: Job) -> None:
        with job.commit(kept=2) as made:
            made.cursor = {"done": 2}
            raise StageError("no room")

    Trap.whole = broken
    run = worker.work_on(started("whole").pk)
    assert service.counts(run)["read"] == 0
    assert run.chunks.get().cursor == {}


def test_a_streaming_stage_goes_on_from_its_cursor() -> None:
    seen: list[int] = []

    def stream(job: Job) -> None:
        for number in range(job.cursor.get("done", 0), 4):
            seen.append(number)
            with job.commit(kept=1) as made:
                made.cursor = {"done": number + 1}
            if number == 1 and seen.count(1) == 1:
                raise StageError("the disk is full")

    Trap.whole = stream
    run = worker.work_on(started("whole").pk)
    assert service.run_start(run)
    run = worker.work_on(run.pk)
    assert seen == [0, 1, 2, 3]
    assert (run.state, service.counts(run)["kept"]) == (S.DONE, 4)


def test_two_people_cannot_start_a_run_twice() -> None:
    run = started()
    assert not service.run_start(run)
    assert run.chunks.count() == 3


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(ConfigError, match="Stage 'rows' has no parameter 'row'. It knows: rows, names."):
        service.run_create(stage_name="rows", values={"row": 3})


def test_a_parameter_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(ConfigError, match="'rows' is wrong"):
        params.build(Params, {"rows": "many"}, where="Stage 'rows'")


def test_an_unknown_stage_is_named_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="There is no stage 'labels'. Known: lonely, rows, whole."):
        service.run_create(stage_name="labels", values={})


def test_progress_tells_share_and_rate() -> None:
    run = worker.work_on(started().pk)
    now = progress(run)
    assert (now.share, now.total, now.left) == (1.0, 25, None)
    assert now.rate is not None and now.rate > 0


def test_the_rate_of_a_paused_run_is_that_of_its_work() -> None:
    times = {"resumed": "2026-01-01T00:00:00Z", "rested": "2026-01-01T00:00:10Z"}
    run = make_run("rows", S.PAUSED, total=50, **times)
    Chunk.objects.create(run=run, seq=0, subjects=[], read=20, kept=20)
    run.refresh_from_db()
    assert progress(run).rate == pytest.approx(2.0)


def test_a_pause_ends_when_the_lease_of_a_worker_elsewhere_has_run_out() -> None:
    run = started(rows=5)
    lease.claim(run, "elsewhere/1/0.00/1")
    service.run_pause(run)
    run.refresh_from_db()
    assert run.state == S.PAUSING
    Chunk.objects.update(lease_until="2000-01-01T00:00:00Z")
    assert worker.work_on(run.pk).state == S.PAUSED


def test_two_threads_of_a_process_do_not_work_on_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def again(run_id: int, seconds: float) -> Run:
        calls.append(run_id)
        tasks.execute_run(run_id)
        return Run(state=S.DONE)

    monkeypatch.setattr(worker, "work_on", again)
    tasks.execute_run(7)
    assert calls == [7]


def test_the_rate_after_a_resume_is_that_of_the_work_since() -> None:
    Trap.at = {"14": EndpointDown("down", "away")}
    run = worker.work_on(started().pk)
    before = service.counts(run)["read"]
    Run.objects.filter(pk=run.pk).update(started="2026-01-01T00:00:00Z")
    Trap.at = {}
    service.run_start(run)
    run = worker.work_on(run.pk)
    assert (run.read_before, run.started.year) == (before, 2026)
    rate = progress(run).rate
    assert rate == pytest.approx((25 - before) / (run.finished - run.resumed).total_seconds())


def test_the_sweep_rings_for_a_run_whose_message_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr(tasks, "_ring", rung.append)
    run = started()
    assert tasks.sweep() == [run.pk]
    worker.work_on(run.pk)
    assert tasks.sweep() == []
    assert rung == [run.pk]


def test_a_run_that_cannot_be_planned_fails_with_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(run: Run) -> list[str]:
        raise StageError("There is no published merge map.")

    monkeypatch.setattr(f"{__name__}.plan", nothing)
    run = service.run_create(stage_name="rows", values={})
    assert not service.run_start(run)
    run.refresh_from_db()
    assert (run.state, run.error) == (S.FAILED, "There is no published merge map.")
    assert not run.chunks.exists()


def test_an_older_run_that_ended_last_is_not_the_newest() -> None:
    old, new = make_run("rows", finished="2026-02-02T00:00:00Z"), make_run("rows", finished="2026-01-01T00:00:00Z")
    assert service.upstream(make_run("whole"), "rows") == new != old
