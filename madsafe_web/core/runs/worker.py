"""Working on a run: claim a chunk, do it, go on until nothing is left. Any number of workers may do so at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError
from django.db.models.functions import Coalesce
from django.utils import timezone

from madsafe_web.core import logs
from madsafe_web.core.llm import templates, versions
from madsafe_web.core.llm.base import EndpointDown
from madsafe_web.core.models import Chunk, Run
from madsafe_web.core.runs import hand, lease, service, usage
from madsafe_web.core.runs import params as run_params
from madsafe_web.core.runs.budget import OverBudget, PastDeadline
from madsafe_web.core.runs.errors import LeaseLost, NeedsPeople, ProcessLost, StageError, Stopped
from madsafe_web.core.runs.job import Job
from madsafe_web.core.runs.rows import RowEngine
from madsafe_web.core.runs.sharing import Sharing
from madsafe_web.core.runs.stage import RowStage, WholeStage
from madsafe_web.core.runs.stages import point, stage

logger = logging.getLogger(__name__)
# What ends the work early, and the state that the run then rests in; anything else is a failure.
RESTS_AS: dict[type[BaseException], Run.State] = {
    NeedsPeople: Run.State.NEEDS_PEOPLE,
    ProcessLost: Run.State.LOST,
    OverBudget: Run.State.OVER_BUDGET,
    PastDeadline: Run.State.NEEDS_PEOPLE,
}


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
        with lease.at_work() as owner:
            if isinstance(declared, RowStage):
                _work_rows(run, declared, params, deadline, owner)
            else:
                _work_whole(run, declared, params, deadline, owner)
        service.run_finish(run)
    except (StageError, EndpointDown, NeedsPeople, ProcessLost) as error:
        service.run_fail(run, str(error), RESTS_AS.get(type(error), Run.State.FAILED))
    except (Stopped, LeaseLost):
        pass  # asked for, or another worker goes on: both already stand in the database
    except OperationalError:
        raise  # the database is away or full: the state stays, and whoever works next goes on
    except Exception as error:
        logger.exception("run failed")
        kept = service.counts(run)["read"]
        message = f"{type(error).__name__} in stage '{run.stage}': {error}. {kept} rows are kept; resume goes on there."
        service.run_fail(run, message)


@contextmanager
def _in_hand(chunk: Chunk, owner: str) -> Iterator[lease.Heartbeat]:
    """The chunk under a heartbeat; given back at the end unless it is done."""
    try:
        with logs.about(chunk=chunk.seq), lease.Heartbeat(chunk.run, owner) as heartbeat:
            heartbeat.pks.add(chunk.pk)
            logger.info("chunk begun")
            yield heartbeat
            logger.info("chunk left")
    finally:
        lease.release(chunk, owner)


def _work_whole(run: Run, declared: WholeStage, params: Any, deadline: float, owner: str) -> None:
    while chunk := hand.following(run, owner, deadline):
        with _in_hand(chunk, owner) as heartbeat:
            job = Job(run, chunk, params, heartbeat)
            point(declared.work)(job)
            if not job.done:
                job.finish()


def _work_rows(run: Run, declared: RowStage, params: Any, deadline: float, owner: str) -> None:
    context = point(declared.context)(run) if declared.context else None
    engine = RowEngine(declared, params, context, endpoint_names(run, declared))
    sharing = Sharing(engine, owner)
    with (
        templates.using(versions.frozen(run)),
        engine,
        sharing,
        lease.Heartbeat(run, owner, sharing.renew) as heartbeat,
    ):
        if engine.offline_rules:
            Run.objects.filter(pk=run.pk).update(offline_rules=True)
        engine.apart = "" if run.shared_cache else str(run)
        engine.budget = usage.budget_of(run, engine.endpoints.values())
        hand.Hand(run, declared, engine, heartbeat).work(deadline)


def endpoint_names(run: Run, declared: RowStage) -> list[str]:
    """The endpoints that a planned run asks."""
    if declared.endpoints:
        return list(point(declared.endpoints)(run))
    return [value for name, value in run.params.items() if name.split("_")[-1] == "endpoint" and value]
