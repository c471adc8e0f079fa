"""What the list of a run's failed rows shows: how each ended, and the reply that nothing could be read out of.

Of a run that read a file these are the rows that it rejected, each as it came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from django.conf import settings
from django.db.models.functions import Left, Length
from django.urls import reverse

from madsafe_web.core.models import Generation, RowTrail, Run, RunRow
from madsafe_web.core.runs.pages import kind_of
from madsafe_web.core.runs.stage import Outcome
from madsafe_web.core.wording import worded

SHOWN_CHARACTERS = 4_000  # of a reply


@dataclass(frozen=True, slots=True)
class RawReply:
    """The beginning of a reply of `characters` in all, as the model gave it; `again`: how often it was asked anew."""

    again: int
    endpoint: str
    finish: str
    text: str
    reasoning: str
    characters: int

    @property
    def cut(self) -> bool:
        return self.characters > len(self.text)


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row that failed; `url` is the page of what it is about, "" where there is none.

    Of one that was rejected: `file` that it stood in, `field` that is wrong with it ("": the whole), and it as it came.
    """

    id: int
    subject: str
    url: str
    kind: str
    message: str  # as it is stored: in English
    reply: RawReply | None
    file: str = ""
    field: str = ""
    raw: str = ""

    @property
    def why(self) -> str:
        """The message in the language of the reader."""
        return worded(self.message)


def failed_lines(run: Run, rows: Iterable[RunRow], *, replies: bool) -> list[FailedRow]:
    """Failed rows as lines of a list; with `replies` also what the models said, in three queries.

    Replies are for who may start runs: judges' opinions are among them, which reviewers must not see.
    """
    rows = list(rows)
    page = settings.RUN_SUBJECT_PAGES.get(run.stage, "")
    held = raw_replies(run, [row.subject for row in rows]) if replies else {}
    raw = raw_rows(run, [row.subject for row in rows if row.outcome == Outcome.REJECTED])
    file = file_of(run)
    return [
        FailedRow(
            id=row.pk,
            subject=row.subject,
            url=reverse(page, args=[int(row.subject)]) if page and row.subject.isdecimal() else "",
            kind=kind_of(row),
            message=row.message,
            reply=held.get(row.subject),
            **({"file": file, "field": row.error_class} if row.outcome == Outcome.REJECTED else {}),
            raw=raw.get(row.subject, ""),
        )
        for row in rows
    ]


def file_of(run: Run) -> str:
    """The name of the file that a run reads; "" for one that reads none."""
    return PurePath(str(run.params.get("path") or "")).name


def raw_rows(run: Run, subjects: list[str]) -> dict[str, str]:
    """Key of a rejected row → the beginning of it as it came."""
    if not subjects:
        return {}
    rows = RowTrail.objects.filter(run=run, subject__in=subjects).exclude(raw="")
    return dict(rows.values_list("subject", Left("raw", SHOWN_CHARACTERS)))


def raw_replies(run: Run, subjects: list[str]) -> dict[str, RawReply]:
    """Key of a row → its last reply, where one is stored still."""
    trails = list(RowTrail.objects.filter(run=run, subject__in=subjects).exclude(reply=""))
    stored = Generation.objects.filter(call_key__in={trail.reply for trail in trails}).values_list(
        "call_key",
        "endpoint__name",
        "finish",
        Left("text", SHOWN_CHARACTERS),
        Left("reasoning", SHOWN_CHARACTERS),
        Length("text"),
    )
    said = {key: shown for key, *shown in stored}
    return {one.subject: RawReply(one.again, *said[one.reply]) for one in trails if one.reply in said}
