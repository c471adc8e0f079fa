"""What the list of notices shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from madsafe_web.core.method import run_name
from madsafe_web.core.models import RunNotice
from madsafe_web.core.runs.pages import notice


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A notice in a list; `error` is the first sentence of what went wrong."""

    id: int
    run: int
    name: str
    state: str
    error: str
    at: datetime
    seen: bool


def notice_lines(rows: Iterable[RunNotice]) -> list[NoticeLine]:
    """Notices as lines of a list; with their runs at hand, without any query."""
    return [
        NoticeLine(
            id=row.pk,
            run=row.run_id,
            name=run_name(row.run),
            state=row.state,
            error=_what(row),
            at=row.at,
            seen=row.seen,
        )
        for row in rows
    ]


def _what(row: RunNotice) -> str:
    """What went wrong; "" when the run has gone on since."""
    found = notice(row.run.error) if row.state == row.run.state else None
    return found.what if found else ""
