"""Making runs and changing their state. Every change is one conditional row update, so two people cannot cross."""

from __future__ import annotations

from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Now
from django.utils import timezone

from madsafe_web.core.audit import actor_name, audit, audit_queue
from madsafe_web.core.llm import versions
from madsafe_web.core.models import Chunk, Run, RunEvent, User
from madsafe_web.core.runs import deadline
from madsafe_web.core.runs import params as run_params
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.notices import notice_add
from madsafe_web.core.runs.stage import RowStage
from madsafe_web.core.runs.stages import point, stage, stages_alone
from madsafe_web.core.storable import storable

S = Run.State
ACTIVE = (S.QUEUED, S.RUNNING)
STARTABLE = (S.DRAFT, S.PAUSED, S.FAILED, S.LOST, S.NEEDS_PEOPLE, S.OVER_BUDGET)
FINISHED = (S.DONE, S.CANCELLED)
COUNTS = ("read", "kept", "duplicate", "rejected", "failed")


def log(run: Run, text: str) -> None:
    RunEvent.objects.create(run=run, text=storable(text)[:500])


@transaction.atomic
def run_create(
    *,
    stage_name: str,
    values: dict[str, Any],
    user: User | None = None,
    chain: str = "",
    step: int = 0,
    like: Run | None = None,
    shared_cache: bool = True,
) -> Run:
    """A new run in draft with checked, frozen parameters. Raises ConfigError for an unknown stage or parameter.

    `like` is the run that it was cloned from, for the record; `shared_cache` says whether replies that other runs
    stored answer its calls.
    """
    params = run_params.build(stage(stage_name).params, values, where=f"Stage '{stage_name}'")
    run = Run.objects.create(
        stage=stage_name,
        params=run_params.freeze(params),
        chain=chain,
        step=step,
        shared_cache=shared_cache,
        actor=user,
        actor_name=actor_name(user),
    )
    facts = {"chain": chain, "step": step} if chain else {"like": str(like)} if like else {}
    audit(user, "run.create", str(run), **facts)
    return run


def run_start(run: Run) -> bool:
    """Queue a run that may start, cutting it into chunks the first time.

    False when it may not: somebody else just started it, its deadline has passed (its error says so), or what it reads
    is missing (its state is then failed and its error says what to do).
    """
    if told := deadline.late(run):
        Run.objects.filter(pk=run.pk, state__in=STARTABLE).update(error=told)
        return False
    try:
        return _queue(run)
    except StageError as error:
        Run.objects.filter(pk=run.pk, state__in=STARTABLE).update(state=S.FAILED, error=storable(str(error)))
        log(run, str(error))
        return False


@transaction.atomic
def _queue(run: Run) -> bool:
    startable = Run.objects.filter(pk=run.pk, state__in=STARTABLE)
    ended = startable.filter(finished__isnull=False).exists()
    if not startable.update(state=S.QUEUED, error="", finished=None):
        return False
    run.refresh_from_db()
    count_work(run)
    if not run.chunks.exists():
        _plan(run)
    run.chunks.exclude(state=Chunk.State.DONE).update(attempts=0)
    refuse_beside(run)  # last, since planning may take a while
    if ended:
        tell_reopened()
    log(run, f"Queued by {run.actor_name}.")
    return True


def tell_reopened() -> None:
    """Tell whoever counts ended runs that one is at work again. Call inside the transaction that queues it."""
    for hook in settings.REOPEN_HOOKS:
        point(hook)()


def count_work(run: Run) -> None:
    """Add the time from the newest start or resume to the rest to what the run has worked; a run about to be queued."""
    if run.resumed and run.rested:
        run.worked += max(0.0, (run.rested - run.resumed).total_seconds())
    run.resumed = run.rested = None
    Run.objects.filter(pk=run.pk).update(worked=run.worked, resumed=None, rested=None)


def refuse_beside(run: Run) -> None:
    """Raises StageError while a run is at work and one of the two has to be alone.

    Of two starts at the same moment the later one waits here for the end of the earlier one and then sees it. They
    queue with the writers of events, as starts are written down anyway: with a second lock they could lock each other.
    """
    audit_queue()
    alone = stages_alone()
    at_work = Run.objects.filter(state__in=(*ACTIVE, S.PAUSING, S.CANCELLING)).exclude(pk=run.pk).order_by("id")
    if run.stage not in alone and (other := at_work.filter(stage__in=alone).first()):
        raise StageError(f"{other} is at work, and no other run may start meanwhile. Start this one when it has ended.")
    if run.stage in alone and (other := at_work.exclude(stage__in=alone).first()):
        raise StageError(f"{other} is at work, and this run has to be alone. Start it when that one has ended.")


def _plan(run: Run) -> None:
    declared = stage(run.stage)
    if isinstance(declared, RowStage):
        versions.freeze(run, declared.templates)
    if not declared.plan:
        Chunk.objects.create(run=run, seq=0, subjects=[])
        return
    keys = iter(point(declared.plan)(run))
    size = declared.rows_per_chunk if isinstance(declared, RowStage) else 1
    slices = iter(lambda: list(islice(keys, size)), [])
    chunks = [Chunk(run=run, seq=seq, subjects=subjects) for seq, subjects in enumerate(slices)]
    Chunk.objects.bulk_create(chunks, batch_size=200)
    if isinstance(declared, RowStage):
        Run.objects.filter(pk=run.pk).update(total=sum(len(chunk.subjects) for chunk in chunks))


@transaction.atomic
def run_pause(run: Run, user: User | None = None) -> bool:
    """Ask for a pause; workers stop at the next group of rows. False when the run is not in work."""
    return _ask(run, S.PAUSING, S.PAUSED, user, "pause")


@transaction.atomic
def run_cancel(run: Run, user: User | None = None) -> bool:
    """Cancel for good: what is written stays, nothing more is done. False when the run has already ended."""
    waiting = (S.DRAFT, S.PAUSED, S.FAILED, S.LOST, S.NEEDS_PEOPLE, S.OVER_BUDGET)
    if Run.objects.filter(pk=run.pk, state__in=waiting).update(state=S.CANCELLED, finished=timezone.now()):
        audit(user, "run.cancel", str(run))
        return True
    return _ask(run, S.CANCELLING, S.CANCELLED, user, "cancel")


def _ask(run: Run, asked: S, settled: S, user: User | None, verb: str) -> bool:
    if not Run.objects.filter(pk=run.pk, state__in=(*ACTIVE, S.PAUSING)).update(state=asked):
        return False
    log(run, f"{actor_name(user)} asked to {verb}.")
    settle(run)
    audit(user, f"run.{verb}", str(run))
    return True


def settle(run: Run) -> None:
    """Turn pausing into paused and cancelling into cancelled once no worker holds a living lease."""
    if run.chunks.filter(state=Chunk.State.LEASED, lease_until__gte=Now()).exists():
        return
    now = timezone.now()
    Run.objects.filter(pk=run.pk, state=S.PAUSING).update(state=S.PAUSED, rested=now)
    Run.objects.filter(pk=run.pk, state=S.CANCELLING).update(state=S.CANCELLED, rested=now, finished=now)


@transaction.atomic
def run_fail(run: Run, message: str, state: S = S.FAILED) -> None:
    """End the work on a run with a sentence for people; what is written stays and the run can be resumed."""
    now = timezone.now()
    resting = {"state": state, "error": storable(message), "finished": now, "rested": now}
    if Run.objects.filter(pk=run.pk, state__in=(*ACTIVE, S.PAUSING)).update(**resting):
        log(run, message)
        notice_add(run, state)


@transaction.atomic
def run_finish(run: Run) -> bool:
    """Make a run done when all its chunks are. The stage's own finish happens in the same transaction, once."""
    if run.chunks.exclude(state=Chunk.State.DONE).exists():
        return False
    now = timezone.now()
    finished = {"state": S.DONE, "finished": now, "rested": now}
    if not Run.objects.filter(pk=run.pk, state__in=(*ACTIVE, S.PAUSING)).update(**finished):
        return False
    run.refresh_from_db()
    sums = counts(run)
    if run.total is not None and sums["read"] != run.total:
        raise StageError(f"{run} read {sums['read']} of {run.total} rows: its counts do not add up, so it is not done.")
    declared = stage(run.stage)
    if isinstance(declared, RowStage) and declared.finish:
        point(declared.finish)(run)
    notice_add(run, S.DONE)
    log(run, "Done: " + ", ".join(f"{sums[name]} {name}" for name in COUNTS) + ".")
    return True


def counts(run: Run) -> dict[str, int]:
    """Rows read, kept, duplicate, rejected and failed so far; read is the sum of the others."""
    sums = run.chunks.aggregate(**{name: Sum(name) for name in COUNTS})
    return {name: sums[name] or 0 for name in COUNTS}


def upstream(run: Run, stage_name: str) -> Run:
    """The newest finished run of a stage: of the same chain where the run belongs to one. Raises StageError.

    One whose failed rows were asked again stays as old as it is.
    """
    done = Run.objects.filter(stage=stage_name, state=S.DONE)
    found = done.filter(chain=run.chain, step__lt=run.step).order_by("-step").first() if run.chain else None
    found = found or done.order_by("-id").first()
    if not found:
        raise StageError(f"'{run.stage}' needs a finished run of '{stage_name}' before it. Run that stage first.")
    return found
