"""Reading what the pages of runs show. A page costs the same few queries whatever the size of its run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Count, Max, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from madsafe_web.core.access import can
from madsafe_web.core.llm.prices import MILLION
from madsafe_web.core.method import WORKING, Text, run_name, stage_purpose
from madsafe_web.core.models import Chunk, Run, RunRow, User
from madsafe_web.core.parameters import parameter_name
from madsafe_web.core.runs import drafts, service, usage
from madsafe_web.core.runs.budget import Limits
from madsafe_web.core.runs.progress import Progress, progress
from madsafe_web.core.runs.retrying import RETRYABLE, ended_so, failed_rows
from madsafe_web.core.runs.stage import FAILURES, Outcome, RowStage
from madsafe_web.core.runs.stages import stages
from madsafe_web.core.runs.starting import WITH_A_PAGE_OF_THEIR_OWN
from madsafe_web.core.wording import worded

MOST_CELLS = 400
LOG_LINES = 100


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in a list. `total` is 0 while it is unknown."""

    id: int
    name: str
    state: str
    done: int
    total: int
    kept: int
    failed: int
    started_by: str
    started: datetime | None


@dataclass(frozen=True, slots=True)
class Notice:
    what: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Item:
    name: Text
    value: str


@dataclass(frozen=True, slots=True)
class Used:
    """Something that a run uses up, with its limit ("" = none), as texts."""

    name: str
    value: str
    limit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class RunShown:
    """A run on its own page; `percent` 0..100, `rate` in rows per second, `live` while it should be polled."""

    id: int
    name: str
    purpose: str
    state: str
    live: bool
    percent: float
    done: int
    total: int
    kept: int
    rejected: int
    duplicate: int
    failed: int
    rate: float | None
    left: str
    ends: datetime | None
    finished: datetime | None
    can_pause: bool
    can_resume: bool
    can_cancel: bool
    can_retry: bool
    can_reread: bool
    can_clone: bool
    can_edit: bool
    is_draft: bool
    used: tuple[Used, ...]
    notice: Notice | None
    started_by: str
    started: datetime | None
    params_sha: str


@dataclass(frozen=True, slots=True)
class Chunks:
    """Chunks by state; `cells` d done, r in work, e failed, o not started, each for one or more chunks in a row."""

    total: int
    size: int
    done: int
    leased: int
    failed: int
    todo: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErrorLine:
    kind: str
    count: int
    handling: str
    last_message: str  # as it is stored: in English

    @property
    def last_why(self) -> str:
        """The last message in the language of the reader."""
        return worded(self.last_message)


@dataclass(frozen=True, slots=True)
class LogLine:
    when: datetime
    level: str
    text: str  # as it is stored: in English

    @property
    def told(self) -> str:
        """The line in the language of the reader."""
        return worded(self.text)


def sums_of(runs: Iterable[Run]) -> dict[int, dict[str, int]]:
    """Run id → its counts so far, in one query; every run asked for is in it."""
    ids = [run.pk for run in runs]
    found = {pk: dict.fromkeys(service.COUNTS, 0) for pk in ids}
    sums = Chunk.objects.filter(run__in=ids).order_by("run").values_list("run").annotate(*map(Sum, service.COUNTS))
    for pk, *values in sums:
        found[pk] = dict(zip(service.COUNTS, values, strict=True))
    return found


def run_lines(runs: Sequence[Run]) -> list[RunLine]:
    """The runs as lines of a list, in one query."""
    sums = sums_of(runs)
    return [
        RunLine(
            id=run.pk,
            name=run_name(run),
            state=run.state,
            done=sums[run.pk]["read"],
            total=run.total or 0,
            kept=sums[run.pk]["kept"],
            failed=sums[run.pk]["failed"],
            started_by=run.actor_name,
            started=run.started,
        )
        for run in runs
    ]


def run_shown(run: Run, user: User) -> RunShown:
    """The run with its progress and what this user may do with it, in one query."""
    now: Progress = progress(run)
    may = can(user, "run")
    return RunShown(
        id=run.pk,
        name=run_name(run),
        purpose=stage_purpose(run.stage),
        state=run.state,
        live=run.state in WORKING,
        percent=100 * (now.share or 0.0),
        done=now.read,
        total=now.total or 0,
        kept=now.kept,
        rejected=now.rejected,
        duplicate=now.duplicate,
        failed=now.failed,
        rate=now.rate,
        left=duration(now.left) if now.left else "",
        ends=now.ends,
        finished=run.finished,
        can_pause=may and run.state in service.ACTIVE,
        can_resume=may and run.state in service.STARTABLE,
        can_cancel=may and run.state not in (*service.FINISHED, Run.State.CANCELLING),
        can_retry=may and now.failed > 0 and run.state in RETRYABLE and works_by_rows(run),
        can_reread=may and now.failed > 0 and run.state == Run.State.DONE and works_by_rows(run),
        can_clone=may and run.stage in stages() and run.stage not in WITH_A_PAGE_OF_THEIR_OWN,
        can_edit=may and run.state in drafts.RESTING and (works_by_rows(run) or drafts.changeable(run)),
        is_draft=run.state == Run.State.DRAFT,
        used=used(run, now),
        notice=notice(run.error),
        started_by=run.actor_name,
        started=run.started or run.created,
        params_sha=params_sha(run),
    )


def used(run: Run, now: Progress) -> tuple[Used, ...]:
    """What the run used of its budget; nothing for a run that asks no model and has no budget."""
    limits = drafts.limits_of(run)
    if not now.calls and not now.throttled and limits == Limits() and run.deadline is None and run.shared_cache:
        return ()
    money = Used(_("Cost"), money_text(now.cost, run.currency), money_limit(limits.cost, run.currency))
    tokens = now.prompt_tokens + now.completion_tokens
    parts = _("%(prompt)s in, %(completion)s out") % {
        "prompt": intcomma(now.prompt_tokens, use_l10n=False),
        "completion": intcomma(now.completion_tokens, use_l10n=False),
    }
    time = duration(timedelta(seconds=limits.seconds)) if limits.seconds is not None else ""
    return (
        Used(_("Calls"), intcomma(now.calls, use_l10n=False), whole(limits.calls)),
        Used(_("Tokens"), intcomma(tokens, use_l10n=False), whole(limits.tokens), parts),
        money,
        Used(_("Too many requests (429)"), intcomma(now.throttled, use_l10n=False)),
        Used(_("Time of work"), duration(timedelta(seconds=usage.worked_s(run))) if run.started else "–", time),
        *((Used(_("Deadline"), f"{timezone.localtime(run.deadline):%Y-%m-%d %H:%M}"),) if run.deadline else ()),
        *(() if run.shared_cache else (Used(_("Stored replies"), _("not those of other runs")),)),
    )


def whole(limit: int | None) -> str:
    return "" if limit is None else intcomma(limit, use_l10n=False)


def money_text(cost: int, currency: str) -> str:
    """Millionths of a currency's unit as people read them; "–" where no price is known."""
    return f"{cost / MILLION:,.4f} {currency}" if currency else "–"


def money_limit(limit: int | None, currency: str) -> str:
    return "" if limit is None else f"{limit / MILLION:,.2f} {currency}".strip()


def works_by_rows(run: Run) -> bool:
    """Whether its stage works row by row, so that rows can be asked again and a budget can be kept to."""
    return is_by_rows(run.stage)


def is_by_rows(stage_name: str) -> bool:
    """Whether the runs of a stage work row by row; False for one that is gone."""
    return isinstance(stages().get(stage_name), RowStage)


def duration(length: timedelta) -> str:
    """A length of time in its two largest units; at least "1 s"."""
    seconds = max(1, round(length.total_seconds()))
    if seconds < 60:
        return _("%(seconds)s s") % {"seconds": seconds}
    minutes = seconds // 60
    if minutes < 60:
        return _("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": seconds % 60}
    hours = minutes // 60
    if hours < 24:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes % 60}
    return _("%(days)s d %(hours)s h") % {"days": hours // 24, "hours": hours % 24}


def notice(error: str) -> Notice | None:
    """A run's error: its first sentence says what happened, the others what was kept and what to do."""
    text = worded(error).replace("\n", " ")
    stop = "。" if "。" in text else ". "
    what, found, rest = text.partition(stop)
    return Notice(what + found.strip(), rest.strip()) if error else None


def params_sha(run: Run) -> str:
    """sha256 of the frozen parameters as JSON with sorted keys."""
    return hashlib.sha256(orjson.dumps(run.params, option=orjson.OPT_SORT_KEYS)).hexdigest()


def parameters(run: Run) -> list[Item]:
    return [Item(parameter_name(name), value_text(value)) for name, value in run.params.items()]


def value_text(value: Any) -> str:
    """A parameter as people read it: plain lists and tables with commas, anything nested as JSON."""
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return ", ".join(map(str, value))
    if isinstance(value, dict) and all(isinstance(one, str | int | float) for one in value.values()):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)


def chunks(run: Run) -> Chunks:
    """The chunks of a run as a row of at most MOST_CELLS cells, in two queries."""
    broken = run.state in (Run.State.FAILED, Run.State.LOST)
    rows = run.chunks.order_by("seq").values_list("state", "attempts")
    marks = [_mark(state, attempts, broken) for state, attempts in rows]
    first = run.chunks.filter(seq=0).values_list("subjects", flat=True).first()
    return Chunks(
        total=len(marks),
        size=len(first) if first else run.total or 0,
        done=marks.count("d"),
        leased=marks.count("r"),
        failed=marks.count("e"),
        todo=marks.count("o"),
        cells=cells(marks),
    )


def _mark(state: str, attempts: int, broken: bool) -> str:
    """A chunk that was begun and given back has failed where its run did; else it only waits to be taken again."""
    if state == Chunk.State.OPEN:
        return "e" if broken and attempts else "o"
    return "d" if state == Chunk.State.DONE else "r"


def cells(marks: Sequence[str]) -> tuple[str, ...]:
    """One mark for each group of neighbours: what needs attention wins, and done means all of them."""
    size = max(1, -(-len(marks) // MOST_CELLS))
    groups = (set(marks[start : start + size]) for start in range(0, len(marks), size))
    return tuple(next(mark for mark in "erod" if mark in group) for group in groups)


def errors(run: Run) -> list[ErrorLine]:
    """The listed rows by class, the most frequent first, in two queries."""
    classes = listed_rows(run).values("outcome", "error_class").annotate(n=Count("id"), last=Max("id"))
    groups = list(classes.order_by("-n", "outcome", "error_class"))
    messages = dict(RunRow.objects.filter(pk__in=[group["last"] for group in groups]).values_list("id", "message"))
    return [
        ErrorLine(
            kind=group["error_class"] or group["outcome"],
            count=group["n"],
            handling=handling(group["outcome"]),
            last_message=messages[group["last"]],
        )
        for group in groups
    ]


def listed_rows(run: Run, kind: str = "") -> QuerySet[RunRow]:
    """The rows that the list of failed rows shows: of a stage that reads a file also those that it rejected."""
    return failed_rows(run, kind) if works_by_rows(run) else ended_so(run, (*FAILURES, Outcome.REJECTED), kind)


def kind_of(row: RunRow) -> str:
    """The class of a row's error, or how the row ended."""
    return row.error_class or row.outcome


def handling(outcome: str) -> str:
    """What the engine does with a row that failed in this way."""
    return {
        Outcome.UNPARSED: _("The raw reply is kept and can be read again; the row has no result."),
        Outcome.TRUNCATED: _("The reply was cut off at its longest length; the row has no result."),
        Outcome.PROVIDER_REFUSED: _("The provider refused to answer; the row has no result."),
        Outcome.REJECTED: _("Left out and kept as it came; the other rows were taken."),
    }.get(Outcome(outcome), _("Tried again, then left without a result."))


def log(run: Run) -> list[LogLine]:
    """The newest lines of the log; the one that tells why the run failed is marked."""
    return [
        LogLine(event.at, "error" if run.error and event.text == run.error[:500] else "info", event.text)
        for event in run.events.order_by("-id")[:LOG_LINES]
    ]
