"""What is kept of rows that failed, were refused by a provider, or are worked on once more. Others leave no trail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from madsafe_web.core.models import RowTrail, Run
from madsafe_web.core.runs.stage import Outcome

READABLE = (Outcome.UNPARSED.value, Outcome.TRUNCATED.value)  # outcomes of rows whose reply gave nothing to write
Once = RowTrail.Once


@dataclass(frozen=True, slots=True)
class Trail:
    """What a row leaves behind; see RowTrail."""

    reply: str = ""
    refused_by: str = ""
    answered_by: str = ""
    again: int = 0


@dataclass(frozen=True, slots=True)
class Again:
    """A row that was taken back.

    How often it was asked anew before, whether its stored replies are only read, and the key of the last one.
    """

    asked: int = 0
    only_read: bool = False
    reply: str = ""


def again(run: Run, keys: Collection[str]) -> dict[str, Again]:
    """Those of a run's rows with these keys that were taken back."""
    rows = RowTrail.objects.filter(run=run, subject__in=keys).exclude(once=Once.NO)
    return {
        subject: Again(asked, once == Once.READ, reply)
        for subject, asked, once, reply in rows.values_list("subject", "again", "once", "reply")
    }


def store(run: Run, left: Iterable[tuple[str, Trail | None]]) -> None:
    """Store the trails of rows that have just ended, by their keys, in the place of earlier ones."""
    rows = [
        RowTrail(
            run=run,
            subject=key,
            reply=trail.reply,
            refused_by=trail.refused_by,
            answered_by=trail.answered_by,
            again=trail.again,
        )
        for key, trail in left
        if trail
    ]
    _upsert(rows, ["reply", "refused_by", "answered_by", "again", "once"])


def take_back(run: Run, rows: Sequence[tuple[str, str]], once: RowTrail.Once) -> None:
    """Note of rows (key, outcome) that are worked on once more what is to be done, and forget the others' trails.

    A row that was asked anew goes on with that sample, however it ended: the samples before it gave nothing.
    """
    readable = [key for key, outcome in rows if outcome in READABLE]
    others = RowTrail.objects.filter(run=run, subject__in=[key for key, outcome in rows if outcome not in READABLE])
    _upsert([RowTrail(run=run, subject=key, once=once) for key in readable], ["once"])
    others.filter(again__gt=0).update(once=once)
    others.filter(again=0).delete()


def _upsert(rows: list[RowTrail], changed: list[str]) -> None:
    if rows:
        RowTrail.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["run", "subject"], update_fields=changed
        )
