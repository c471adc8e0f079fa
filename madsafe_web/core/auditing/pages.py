"""What the page of the audit record shows: the filter in its address, the events, and the newest check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import orjson
from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from madsafe_web.core.access import scoped
from madsafe_web.core.auditing.words import BEGINNINGS, GROUPS
from madsafe_web.core.method import Text
from madsafe_web.core.models import AuditEvent, User

VERIFIED = "audit.verify"
MOST_CHANGES = 5  # of one event; the export has them all
MOST_SHOWN = 400  # characters of one fact


class AuditFilter(forms.Form):
    """The filter; a value that cannot be used filters nothing."""

    actor = forms.CharField(required=False, max_length=150)
    group = forms.ChoiceField(required=False, choices=list(GROUPS.items()))
    subject = forms.CharField(required=False, max_length=120)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)

    kept: dict[str, Any]
    refused: bool

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.refused = not self.is_valid()
        self.kept = {name: self.cleaned_data.get(name) for name in self.fields}

    def texts(self) -> dict[str, str]:
        """The values as they stand in the address; "" for none."""
        return {name: str(value or "") for name, value in self.kept.items()}

    def rows(self, user: User) -> QuerySet[AuditEvent]:
        """The events that fit; days are those of the reader's time zone, the last one included."""
        group = self.kept["group"]
        wanted = {
            "actor_name__icontains": self.kept["actor"],
            "verb__startswith": group and BEGINNINGS.get(group, f"{group}."),
            "subject__icontains": self.kept["subject"],
            "at__gte": midnight(self.kept["since"]),
            "at__lt": midnight(self.kept["until"], days=1),
        }
        return scoped(user, AuditEvent).filter(**{name: value for name, value in wanted.items() if value})


def midnight(day: date | None, days: int = 0) -> datetime | None:
    """The beginning of a day, or of so many days after it; None where the calendar ends."""
    if day is None:
        return None
    try:
        return timezone.make_aware(datetime.combine(day + timedelta(days=days), time.min)).astimezone(UTC)
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class Fact:
    """`before` and `after` are one fact, of which `value` is the new value and `was` the old one."""

    name: Text
    value: str
    was: str | None = None


@dataclass(frozen=True, slots=True)
class EventLine:
    sequence: int
    at: datetime
    actor: str
    verb: str
    subject: str
    facts: tuple[Fact, ...]
    address: str


@dataclass(frozen=True, slots=True)
class Check:
    """The newest check of the record: when, by whom, how many events, and what was wrong."""

    at: datetime
    actor: str
    events: int
    problems: list[str]


def event_lines(events: Iterable[AuditEvent]) -> list[EventLine]:
    return [
        EventLine(one.sequence, one.at, one.actor_name, one.verb, one.subject, facts(one.facts), one.address)
        for one in events
    ]


def facts(held: dict[str, Any]) -> tuple[Fact, ...]:
    """The facts in reading order; a change of values as one line a value."""
    before, after = held.get("before"), held.get("after")
    others = {name: value for name, value in held.items() if name not in ("before", "after")}
    changes: list[Fact] = []
    if isinstance(before, dict) and isinstance(after, dict):
        changes = [Fact(name, text(after.get(name)), text(before.get(name))) for name in before | after]
    elif "before" in held or "after" in held:
        changes = [Fact("", text(after), text(before))]
    return (*changes, *(fact for name, value in others.items() for fact in lines(name, value)))


def lines(name: str, value: Any) -> list[Fact]:
    """One fact; a list of changes, such as of labels decided together, as one line each."""
    changes = isinstance(value, list) and all(
        isinstance(one, dict) and {"before", "after"} <= set(one) for one in value
    )
    if not value or not changes:
        return [Fact(name, text(value))]
    shown = [Fact(_subject(one), text(one["after"]), text(one["before"])) for one in value[:MOST_CHANGES]]
    return [*shown, Fact(name, f"+{len(value) - MOST_CHANGES}")] if len(value) > MOST_CHANGES else shown


def _subject(change: dict[str, Any]) -> str:
    """What was changed: "label 7"."""
    return " ".join(f"{name} {value}" for name, value in change.items() if name not in ("before", "after"))


def text(value: Any) -> str:
    """A fact as people read it: a plain table with commas, anything else that is nested as JSON."""
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, dict) and not any(isinstance(one, dict | list) for one in value.values()):
        return ", ".join(f"{name} {text(one)}" for name, one in value.items())
    shown = value if isinstance(value, str) else orjson.dumps(value).decode()
    return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…"


def newest_check(user: User) -> Check | None:
    """What the record says of its newest check; None before the first."""
    event = scoped(user, AuditEvent).filter(verb=VERIFIED).order_by("-sequence").first()
    if event is None:
        return None
    return Check(event.at, event.actor_name, event.facts["events"], event.facts["problems"])
