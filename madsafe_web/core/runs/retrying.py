"""Asking the failed rows of a run again: their ends are taken back, counted back, and their chunks opened for them."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from madsafe_web.core.audit import actor_name, audit
from madsafe_web.core.models import Chunk, Run, RunRow, User
from madsafe_web.core.runs import lease, service, tasks
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.stage import FAILURES

S = Run.State
RETRYABLE = (S.DONE, S.FAILED, S.LOST, S.PAUSED, S.NEEDS_PEOPLE, S.OVER_BUDGET)


def run_retry(*, run: Run, user: User | None, kind: str = "") -> int:
    """Queue the failed rows of a run once more, all or those of one class; returns how many they are.

    `kind` is a class of errors as the page of the run names it: an error class, or an outcome. 0, with nothing changed,
    when no such row failed or the run is in work or cancelled. Rows that ended well are not asked again. Raises
    StageError while a worker is still leaving these rows, or while a run is at work that has to be alone.
    """
    lease.free_dead(run)
    return _take_back(run, user, kind)


@transaction.atomic
def _take_back(run: Run, user: User | None, kind: str) -> int:
    resting = Run.objects.select_for_update().filter(pk=run.pk, state__in=RETRYABLE)
    if not resting.exists() or not failed_rows(run, kind).exists():
        return 0
    chunks = list(run.chunks.filter(failed__gt=0).order_by("pk").values_list("pk", flat=True))
    taken = sum(_reopen(run, pk, kind) for pk in chunks)
    resting.update(state=S.QUEUED, error="", finished=None)
    run.refresh_from_db()
    service.count_work(run)
    run.chunks.exclude(state=Chunk.State.DONE).update(attempts=0)
    service.refuse_beside(run)
    service.tell_reopened()
    which = f" of class '{kind}'" if kind else ""
    service.log(run, f"{actor_name(user)} asked for {taken} failed rows{which} once more.")
    tasks.enqueue(run)
    audit(user, "run.retry", str(run), rows=taken, kind=kind)
    return taken


def _reopen(run: Run, pk: int, kind: str) -> int:
    """Take the failed rows of one chunk back. Raises StageError while somebody holds it."""
    chunk = Chunk.objects.select_for_update().get(pk=pk)  # whoever claims chunks passes locked ones over
    taken, _ = failed_rows(run, kind).filter(subject__in=chunk.subjects).delete()
    if not taken:
        return 0
    if Chunk.objects.filter(pk=pk, state=Chunk.State.LEASED, lease_until__gte=Now()).exists():
        raise StageError(f"A worker is still leaving part {chunk.seq} of {run}. Wait some seconds, then retry.")
    counts = {"read": F("read") - taken, "failed": F("failed") - taken}
    Chunk.objects.filter(pk=pk).update(**counts, **lease.given_up(Chunk.State.OPEN), finished=None)
    return taken


def failed_rows(run: Run, kind: str = "") -> QuerySet[RunRow]:
    """The rows of a run that failed, of one class where it is named."""
    rows = RunRow.objects.filter(run=run, outcome__in=FAILURES)
    if not kind:
        return rows
    return rows.filter(Q(error_class=kind) | Q(error_class="", outcome=kind))
