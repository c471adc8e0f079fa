"""Working on a run: claim a chunk, do it, go on until nothing is left. Any number of workers may do so at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from madsafe_web.core import logs
from madsafe_web.core.llm import templates, versions
from madsafe_web.core.llm.base import EndpointDown
from madsafe_web.core.models import Chunk, Generation, PromptTemplate, Run, RunRow
from madsafe_web.core.runs import lease, service
from madsafe_web.core.runs import params as run_params
from madsafe_web.core.runs.errors import LeaseLost, NeedsPeople, ProcessLost, StageError, Stopped
from madsafe_web.core.runs.job import Job
from madsafe_web.core.runs.rows import Finished, Generated, RowEngine
from madsafe_web.core.runs.stage import COUNTED_AS, Outcome, Result, RowStage, WholeStage
from madsafe_web.core.runs.stages import point, stage

logger = logging.getLogger(__name__)


def work_on(run_id: int, seconds: float = float("inf")) -> Run:
    """Work on a run until it is done, paused, failed, has nothing free, or `seconds` have passed.

    Safe to call twice, at once and from anywhere: whatever is already in work or done is left alone.
    """
    run = Run.objects.get(pk=run_id)
    if run.state in service.ACTIVE:
        now = timezone.now()
        Run.objects.filter(pk=run.pk, state=Run.State.QUEUED).update(
            state=Run.State.RUNNING,
            started=Coalesce("started", now),
            resumed=now,
            read_before=service.counts(run)["read"],
        )
        run.refresh_from_db()
        lease.free_dead(run)
        with logs.about(run=run.pk):
            _work(run, time.monotonic() + seconds)
    else:
        lease.free_dead(run)
    service.settle(run)
    run.refresh_from_db()
    return run


def _work(run: Run, deadline: float) -> None:
    try:
        declared = stage(run.stage)
        params = run_params.build(declared.params, run.params, where=str(run))
        if isinstance(declared, RowStage):
            _work_rows(run, declared, params, deadline)
        else:
            _work_whole(run, declared, params, deadline)
        service.run_finish(run)
    except (StageError, EndpointDown) as error:
        service.run_fail(run, str(error))
    except NeedsPeople as error:
        service.run_fail(run, str(error), Run.State.NEEDS_PEOPLE)
    except ProcessLost as error:
        service.run_fail(run, str(error), Run.State.LOST)
    except (Stopped, LeaseLost):
        pass  # asked for, or another worker goes on: both already stand in the database
    except OperationalError:
        raise  # the database is away or full: the state stays, and whoever works next goes on
    except Exception as error:
        logger.exception("run failed")
        kept = service.counts(run)["read"]
        message = f"{type(error).__name__} in stage '{run.stage}': {error}. {kept} rows are kept; resume goes on there."
        service.run_fail(run, message)


def _next(run: Run, owner: str, deadline: float) -> Chunk | None:
    """A chunk newly claimed; None when time is up, the run was stopped, or nothing is free."""
    if time.monotonic() >= deadline or not Run.objects.filter(pk=run.pk, state__in=service.ACTIVE).exists():
        return None
    chunk = lease.claim(run, owner)
    if chunk and chunk.attempts > lease.MOST_ATTEMPTS:
        lease.release(chunk, owner)
        raise StageError(
            f"Part {chunk.seq} of {run} took {lease.MOST_ATTEMPTS} workers down with it. "
            "What they wrote is kept. Look at the worker's log, then resume."
        )
    return chunk


@contextmanager
def _in_hand(chunk: Chunk, owner: str) -> Iterator[lease.Heartbeat]:
    """The chunk under a heartbeat; given back at the end unless it is done."""
    try:
        with logs.about(chunk=chunk.seq), lease.Heartbeat(chunk, owner) as heartbeat:
            logger.info("chunk begun")
            yield heartbeat
            logger.info("chunk left")
    finally:
        lease.release(chunk, owner)


def _work_whole(run: Run, declared: WholeStage, params: Any, deadline: float) -> None:
    owner = lease.owner_name()
    while chunk := _next(run, owner, deadline):
        with _in_hand(chunk, owner) as heartbeat:
            job = Job(run, chunk, params, heartbeat)
            point(declared.work)(job)
            if not job.done:
                _chunk_done(chunk, owner)


def _work_rows(run: Run, declared: RowStage, params: Any, deadline: float) -> None:
    owner = lease.owner_name()
    context = point(declared.context)(run) if declared.context else None
    chosen = templates.using(versions.frozen(run))
    with chosen, RowEngine(declared, params, context, endpoint_names(run, declared)) as engine:
        if engine.offline_rules:
            Run.objects.filter(pk=run.pk).update(offline_rules=True)
        while chunk := _next(run, owner, deadline):
            with _in_hand(chunk, owner) as heartbeat:
                _work_chunk(run, declared, chunk, heartbeat, engine)


def endpoint_names(run: Run, declared: RowStage) -> list[str]:
    """The endpoints that a planned run asks."""
    if declared.endpoints:
        return list(point(declared.endpoints)(run))
    return [value for name, value in run.params.items() if name.split("_")[-1] == "endpoint" and value]


def _work_chunk(run: Run, declared: RowStage, chunk: Chunk, heartbeat: lease.Heartbeat, engine: RowEngine) -> None:
    ended = set(RunRow.objects.filter(run=run, subject__in=chunk.subjects).values_list("subject", flat=True))
    waiting = [key for key in chunk.subjects if key not in ended]
    rows = point(declared.fetch)(run, waiting)
    write = point(declared.write)
    groups = engine.groups(rows)
    try:
        for generated, finished in groups:
            if generated or finished:
                _write_group(run, chunk, heartbeat.owner, write, generated, finished)
            if heartbeat.stop_asked.is_set():
                raise Stopped
    finally:
        groups.close()  # waits for the rows in flight
        _write_left(run, chunk, heartbeat.owner, engine)
    _gone(run, chunk, heartbeat.owner, set(waiting) - {key for key, _ in rows})
    _chunk_done(chunk, heartbeat.owner)


@transaction.atomic
def _write_group(
    run: Run, chunk: Chunk, owner: str, write: Any, generated: list[Generated], finished: list[Finished]
) -> None:
    lease.hold(chunk, owner)
    store_replies(run, generated)
    results: list[Result] = write(run, [(one.key, one.row, one.result) for one in finished]) if finished else []
    _store_outcomes(run, chunk, [(one.key, result) for one, result in zip(finished, results, strict=True)])


def _write_left(run: Run, chunk: Chunk, owner: str, engine: RowEngine) -> None:
    """Store the replies that came in while the rows were being stopped, if the chunk is still ours."""
    left, engine.unwritten = engine.unwritten, []
    if not left:
        return
    with suppress(LeaseLost):
        _write_group(run, chunk, owner, lambda *_: [], left, [])


def store_replies(run: Run, generated: list[Generated]) -> None:
    """Keep raw replies with the texts that they answer; one that is there already stays."""
    names = {one.call.template_sha: one.call.template for one in generated}
    known = set(PromptTemplate.objects.filter(sha256__in=names).values_list("sha256", flat=True))
    new = {sha: name for sha, name in names.items() if sha not in known}
    PromptTemplate.objects.bulk_create(
        [PromptTemplate(name=name, sha256=sha, text=templates.load(name).text) for sha, name in new.items()],
        ignore_conflicts=True,
    )
    rows = [
        Generation(
            call_key=one.reply.key,
            run=run,
            endpoint=one.endpoint,
            model=one.endpoint.model,
            template_sha=one.call.template_sha,
            text=one.reply.text,
            reasoning=one.reply.reasoning,
            finish=one.reply.finish,
            prompt_tokens=one.reply.prompt_tokens,
            completion_tokens=one.reply.completion_tokens,
        )
        for one in sorted(generated, key=lambda one: one.reply.key)  # one order for all workers: no deadlock
    ]
    Generation.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)


def _store_outcomes(run: Run, chunk: Chunk, outcomes: list[tuple[str, Result]]) -> None:
    rows = [
        RunRow(
            run=run,
            subject=key,
            outcome=result.outcome,
            error_class=result.message.partition(":")[0][:40] if result.outcome == "error" else "",
            message=result.message[:500],
        )
        for key, result in outcomes
    ]
    RunRow.objects.bulk_create(rows, batch_size=500)
    sums = dict.fromkeys(service.COUNTS, 0)
    for _, result in outcomes:
        sums[COUNTED_AS[result.outcome]] += 1
    sums["read"] = len(outcomes)
    Chunk.objects.filter(pk=chunk.pk).update(**{name: F(name) + value for name, value in sums.items()})


@transaction.atomic
def _gone(run: Run, chunk: Chunk, owner: str, keys: set[str]) -> None:
    """Rows that vanished between planning and work are said to be skipped, never silently left out."""
    lease.hold(chunk, owner)
    gone = Result(None, Outcome.SKIPPED, "The row no longer exists.")
    _store_outcomes(run, chunk, [(key, gone) for key in sorted(keys)])


def _chunk_done(chunk: Chunk, owner: str) -> None:
    mine = Chunk.objects.filter(pk=chunk.pk, owner=owner, state=Chunk.State.LEASED)
    if not mine.update(**lease.given_up(Chunk.State.DONE)):
        raise LeaseLost(f"chunk {chunk.seq} of run {chunk.run_id} went to another worker")
