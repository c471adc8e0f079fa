"""The budget of a run shared by its workers: each takes a slice in the database before it uses any of it.

The slices of all workers and what is written as used never pass the budget together, so several workers keep to it as
one does. A slice shrinks in the transaction that writes what was used of it. It counts as long as its owner holds a
living lease on a chunk of the run: what a killed worker had taken is free again when its lease is.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q, Sum
from django.db.models.functions import Greatest, Now

from madsafe_web.core.models import BudgetSlice, Chunk, Run
from madsafe_web.core.runs import usage
from madsafe_web.core.runs.budget import Amount, Budget, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from madsafe_web.core.runs.rows import RowEngine

NAMES = ("calls", "tokens", "cost")
LOOK_S = 0.2  # how often a worker that got nothing more looks whether something was given back
PART = 8  # a slice is one so-many-th of what is free, or as much as the waiting calls need


class Slice:
    """The slice of one worker, for the thread that writes; without a budget to share it does nothing."""

    def __init__(self, run: Run, owner: str, engine: RowEngine) -> None:
        self._run, self._owner, self._engine = run, owner, engine
        self._written = Amount()
        self._look_at = 0.0  # nothing is free before, most likely
        if engine.budget:
            engine.budget.share()

    @property
    def _budget(self) -> Budget | None:
        budget = self._engine.budget
        return budget if budget and budget.granted else None

    def count(self, chunk: int, replies: Iterable[usage.Replied]) -> None:
        """Add replies to what the run used, off the slice; call it in the transaction that stores them."""
        counted = usage.count(chunk, replies)
        if self._budget and counted.calls:
            used(self._run, self._owner, counted)
            self._written += counted

    def take(self) -> None:
        """Take more of the budget where calls wait for it, or soon will. Call it while a chunk is leased."""
        budget = self._budget
        if budget and budget.running_short() and time.monotonic() >= self._look_at:
            loop = self._engine.loop
            in_use, need, least = asyncio.run_coroutine_threadsafe(budget.stand_still(), loop).result()
            held, spent = top_up(self._run, self._owner, budget.limits, in_use - self._written, need, least)
            loop.call_soon_threadsafe(budget.grant, self._written + held, spent)
            self._look_at = time.monotonic() + (LOOK_S if self._written + held == in_use else 0.0)

    def set_down(self) -> None:
        """Use nothing more of the slice before it is taken anew, as the others may have it while no chunk is leased.

        Call it between the last chunk and the next claim.
        """
        if budget := self._budget:
            asyncio.run_coroutine_threadsafe(budget.stand_still(), self._engine.loop).result()

    def give_back(self) -> None:
        """Give back what is left, as the worker leaves the run."""
        if self._budget:
            BudgetSlice.objects.filter(run=self._run, owner=self._owner).delete()


@transaction.atomic
def top_up(run: Run, owner: str, limits: Limits, in_use: Amount, need: Amount, least: Amount) -> tuple[Amount, Amount]:
    """Make the slice of a worker as large as it may be now; the slice, and what all used as far as it is written.

    `in_use` is what its calls in flight reserve and what it has not written yet, `need` what the calls that wait would
    reserve and `least` one of them. Where not even that is free, the worker keeps what is in use and leaves the rest to
    the others: else two could hold what each other lacks. Workers take turns on the row of the run for these queries.
    """
    Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    living = Chunk.objects.filter(run=run, state=Chunk.State.LEASED, lease_until__gte=Now()).values("owner")
    BudgetSlice.objects.filter(run=run).exclude(Q(owner=owner) | Q(owner__in=living)).delete()
    # The slices first: what moves from one to what is used between these two queries is counted twice, never missed.
    others = BudgetSlice.objects.filter(run=run).exclude(owner=owner).aggregate(**{name: Sum(name) for name in NAMES})
    spent = usage.spent(run)
    free = Amount(*(_free(getattr(limits, n), getattr(spent, n) + (others[n] or 0), getattr(in_use, n)) for n in NAMES))
    held = in_use
    if not Limits(*(None if getattr(limits, n) is None else getattr(free, n) for n in NAMES)).passed(least):
        more = (min(getattr(free, n), max(getattr(free, n) // PART, getattr(need, n))) for n in NAMES)
        held += Amount(*more)
    kept = {name: max(0, getattr(held, name)) for name in NAMES}
    BudgetSlice.objects.update_or_create(run=run, owner=owner, defaults=kept)
    return held, spent


def _free(limit: int | None, taken: int, in_use: int) -> int:
    """What nobody has taken of one limit, this worker's calls in flight not either; nothing where there is no limit."""
    return 0 if limit is None else max(0, limit - taken - in_use)


def used(run: Run, owner: str, amount: Amount) -> None:
    """Take what is written as used off a slice; call it in the transaction that writes it."""
    changes = {name: Greatest(F(name) - getattr(amount, name), 0) for name in NAMES}
    BudgetSlice.objects.filter(run=run, owner=owner).update(**changes)
