"""The deadline of a run that works row by row: by the clock of the database, no call begins after it.

The run then rests as "needs people", and goes on when somebody gives it a later deadline, or none.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from madsafe_web.core.models import Run
from madsafe_web.core.runs.errors import ConfigError

When = datetime | timedelta | None  # a moment, so long from now, or no deadline
UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
LENGTH = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(min|m|h|d)")
LONGEST = timedelta(days=3660)
FORMS = "Write a time such as 2026-11-30 08:00, or how long from now: 90m, 8h, 2d."


def parsed(text: str) -> When:
    """What people write as a deadline; a time without a zone is one of the reader's. Raises ConfigError."""
    text = text.strip()
    if not text:
        return None
    if found := LENGTH.fullmatch(text):
        length = timedelta(**{UNITS[found[2]]: float(found[1])})
        if length <= LONGEST:
            return length
    try:
        moment = parse_datetime(text)
    except ValueError:  # as the 30th of February
        moment = None
    if moment is None or not 1970 < moment.year < 9999:
        raise ConfigError(f"'{text[:40]}' is no deadline. {FORMS}")
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def seconds_left(run: Run) -> float | None:
    """Seconds until the deadline, below 0 behind it; None without one."""
    rows = Run.objects.filter(pk=run.pk, deadline__isnull=False)
    rest = rows.annotate(rest=ExpressionWrapper(F("deadline") - Now(), output_field=DurationField()))
    left = rest.values_list("rest", flat=True).first()
    return None if left is None else left.total_seconds()


def late(run: Run) -> str:
    """What is to be said of a run whose deadline has passed, "" before."""
    found = Run.objects.filter(pk=run.pk, deadline__lte=Now()).values_list("deadline", flat=True).first()
    return sentence(found) if found else ""


def sentence(moment: datetime) -> str:
    """What happened to a run at its deadline, what was kept and what to do."""
    return (
        f"The deadline of the run, {moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC, has passed. What is done is kept. "
        "Give it a later deadline, or none, on its page, then resume."
    )


def set_to(run: Run, when: When) -> None:
    """Store the deadline; lengths count from the present of the database."""
    moment = Now() + when if isinstance(when, timedelta) else when
    Run.objects.filter(pk=run.pk).update(deadline=moment)
    run.refresh_from_db(fields=["deadline"])
