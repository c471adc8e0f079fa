"""How far a run is, how fast it goes, and when it will end: read from the rows, never estimated ahead of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from madsafe_web.core.models import Run
from madsafe_web.core.runs import service, usage


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts so far; `share` is 0..1 and None while the total is unknown.

    `cost` is in millionths of the currency's unit, `throttled` counts answers of the kind "too many requests" (429).
    `rate` is in rows per second since the newest start or resume, None before the first row.
    """

    read: int
    kept: int
    duplicate: int
    rejected: int
    failed: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: int
    throttled: int
    total: int | None
    share: float | None
    rate: float | None
    left: timedelta | None
    ends: datetime | None


def progress(run: Run) -> Progress:
    """The progress of a run, in one query."""
    sums = run.chunks.aggregate(
        **{name: Coalesce(Sum(name), 0) for name in (*service.COUNTS, *usage.USED, "throttled")}
    )
    now = timezone.now()
    elapsed = ((run.rested or run.finished or now) - run.resumed).total_seconds() if run.resumed else 0.0
    done = sums["read"] - run.read_before
    rate = done / elapsed if elapsed > 0 and done else None
    share = min(1.0, sums["read"] / run.total) if run.total else (1.0 if run.state == Run.State.DONE else None)
    active = run.state in service.ACTIVE
    left = timedelta(seconds=(run.total - sums["read"]) / rate) if active and run.total and rate else None
    return Progress(**sums, total=run.total, share=share, rate=rate, left=left, ends=now + left if left else None)
