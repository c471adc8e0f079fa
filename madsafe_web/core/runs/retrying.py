"""Working on the failed rows of a run once more: their ends are taken back, counted back, and their chunks opened.

A row whose reply gave nothing is read again from what is stored, with the parser of today, and asked anew, as the next
sample of its calls, where that gives nothing either. Reading alone is there too: it makes no call.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from madsafe_web.core.audit import actor_name, audit
from madsafe_web.core.models import Chunk, RowTrail, Run, RunRow, User
from madsafe_web.core.runs import deadline, lease, service, tasks, trails
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.stage import FAILURES, Outcome

S = Run.State
RETRYABLE = (S.DONE, S.FAILED, S.LOST, S.PAUSED, S.NEEDS_PEOPLE, S.OVER_BUDGET)


def run_retry(*, run: Run, user: User | None, kind: str = "") -> int:
    """Queue the failed rows of a run once more, all or those of one class; returns how many they are.

    `kind` is a class of errors as the page of the run names it: an error class, or an outcome. 0, with nothing changed,
    when no such row failed or the run is in work or cancelled. Rows that ended well are not asked again. Raises
    StageError while a worker is still leaving these rows, behind the deadline of the run, or while a run is at work
    that has to be alone.
    """
    lease.free_dead(run)
    return _take_back(run, user, kind, RowTrail.Once.ASK)


def run_reread(*, run: Run, user: User | None) -> int:
    """Queue the rows of a run whose replies were not understood, to be read once more without any call; how many.

    0, with nothing changed, when there is none or the run is in work or cancelled. Raises StageError while the run has
    rows that were never asked, since going on with it would ask them, and what `run_retry` raises but for a deadline.
    """
    lease.free_dead(run)
    resting = Run.objects.filter(pk=run.pk, state__in=RETRYABLE).exists()
    if resting and run.chunks.exclude(state=Chunk.State.DONE).exists():
        raise StageError(f"{run} has rows that were not asked yet. Resume it, and read the replies when it has ended.")
    return _take_back(run, user, Outcome.UNPARSED.value, RowTrail.Once.READ)


@transaction.atomic
def _take_back(run: Run, user: User | None, kind: str, once: RowTrail.Once) -> int:
    resting = Run.objects.select_for_update().filter(pk=run.pk, state__in=RETRYABLE)
    if not resting.exists() or not failed_rows(run, kind).exists():
        return 0
    if once == RowTrail.Once.ASK and (told := deadline.late(run)):
        raise StageError(told)
    chunks = list(run.chunks.filter(failed__gt=0).order_by("pk").values_list("pk", flat=True))
    taken = sum(_reopen(run, pk, kind, once) for pk in chunks)
    resting.update(state=S.QUEUED, error="", finished=None)
    run.refresh_from_db()
    service.count_work(run)
    run.chunks.exclude(state=Chunk.State.DONE).update(attempts=0)
    service.refuse_beside(run)
    service.tell_reopened()
    _say(run, user, kind, taken, once)
    tasks.enqueue(run)
    return taken


def _say(run: Run, user: User | None, kind: str, taken: int, once: RowTrail.Once) -> None:
    if once == RowTrail.Once.READ:
        service.log(run, f"{actor_name(user)} asked to read the stored replies of {taken} rows again.")
        audit(user, "run.reread", str(run), rows=taken)
        return
    which = f" of class '{kind}'" if kind else ""
    service.log(run, f"{actor_name(user)} asked for {taken} failed rows{which} once more.")
    audit(user, "run.retry", str(run), rows=taken, kind=kind)


def _reopen(run: Run, pk: int, kind: str, once: RowTrail.Once) -> int:
    """Take the failed rows of one chunk back. Raises StageError while somebody holds it."""
    chunk = Chunk.objects.select_for_update().get(pk=pk)  # whoever claims chunks passes locked ones over
    rows = failed_rows(run, kind).filter(subject__in=chunk.subjects)
    trails.take_back(run, list(rows.values_list("subject", "outcome")), once)
    taken, _ = rows.delete()
    if not taken:
        return 0
    if Chunk.objects.filter(pk=pk, state=Chunk.State.LEASED, lease_until__gte=Now()).exists():
        raise StageError(f"A worker is still leaving part {chunk.seq} of {run}. Wait some seconds, then retry.")
    counts = {"read": F("read") - taken, "failed": F("failed") - taken}
    Chunk.objects.filter(pk=pk).update(**counts, **lease.given_up(Chunk.State.OPEN), finished=None)
    return taken


def failed_rows(run: Run, kind: str = "") -> QuerySet[RunRow]:
    """The rows of a run that failed, of one class where it is named."""
    return ended_so(run, FAILURES, kind)


def ended_so(run: Run, outcomes: Collection[str], kind: str = "") -> QuerySet[RunRow]:
    """The rows of a run with one of these outcomes, of one class where it is named."""
    rows = RunRow.objects.filter(run=run, outcome__in=outcomes)
    if not kind:
        return rows
    return rows.filter(Q(error_class=kind) | Q(error_class="", outcome=kind))
