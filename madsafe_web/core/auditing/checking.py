"""Checking the whole record, and writing it out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import orjson
from django.db import connection

from madsafe_web.core import audit_triggers
from madsafe_web.core.audit import audit, instant, problems
from madsafe_web.core.models import AuditEvent, AuditHead, User
from madsafe_web.core.textio import csv_line

MOST_KEPT = 20  # problems named in the record itself; the command prints them all
READ_AT_ONCE = 2000
COLUMNS = ("sequence", "at", "actor", "verb", "subject", "facts", "address", "previous", "sha256")


def record_problems() -> Iterator[str]:
    """What is wrong with the record and with the triggers that keep it, one sentence each."""
    missing = set(audit_triggers.NAMES) - audit_triggers.standing(connection)
    if missing:
        yield f"The database no longer refuses changes of the record: {', '.join(sorted(missing))} is gone."
    yield from problems()


def record_verify(*, user: User | None) -> tuple[int, list[str]]:
    """Check the record and note the outcome in it; returns the number of events and the first problems."""
    found = list(islice(record_problems(), MOST_KEPT))
    head = AuditHead.objects.filter(pk=1).first()
    events = head.sequence if head else 0
    audit(user, "audit.verify", "audit", events=events, problems=found)
    return events, found


def as_row(event: AuditEvent) -> dict[str, Any]:
    """An event as it is written out; everything its hash covers, but the actor's id under the name `actor_id`."""
    return {
        "sequence": event.sequence,
        "at": instant(event.at),
        "actor": event.actor_name,
        "actor_id": event.actor_id,
        "verb": event.verb,
        "subject": event.subject,
        "facts": event.facts,
        "address": event.address,
        "previous": event.previous,
        "sha256": event.sha256,
    }


def as_jsonl(events: Iterable[AuditEvent]) -> Iterator[bytes]:
    """One JSON object a line."""
    return (orjson.dumps(as_row(event), option=orjson.OPT_APPEND_NEWLINE) for event in events)


def as_csv(events: Iterable[AuditEvent]) -> Iterator[bytes]:
    """A table with a header, facts as JSON."""
    yield csv_line(COLUMNS).encode()
    for event in events:
        row = as_row(event) | {"facts": orjson.dumps(event.facts).decode()}
        yield csv_line([row[column] for column in COLUMNS]).encode()
