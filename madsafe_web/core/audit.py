"""The record of what people and commands did: rows are only ever added, and each carries the hash of the one before.

The database itself refuses to change or delete a row (triggers of migration 0003); `problems` finds what was changed
all the same. The head holds the newest number and hash, so rows cut off at the end are missed too.
"""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import transaction
from django.utils import timezone

from madsafe_web.core.models import AuditEvent, AuditHead, User

GENESIS = "0" * 64
# Where the request in work comes from: an address, "" for a command. Set by core.middleware for each request.
ADDRESS: ContextVar[str] = ContextVar("address", default="")


def actor_name(user: User | None) -> str:
    """How an actor is written down: a person by user name, a command by the name of the OS user behind it.

    No user name has brackets or spaces, so nobody can be called as what is no person.
    """
    if user:
        return user.username
    return "(not signed in)" if ADDRESS.get() else f"system ({getpass.getuser()})"


@transaction.atomic
def audit(user: User | None, verb: str, subject: str, **facts: Any) -> AuditEvent:
    """Add an event. Inside a transaction it stands or falls with it; call it last there, since it queues all writers.

    `facts` is JSON and must hold no secret and no text of a prompt.
    """
    head = audit_queue()
    event = AuditEvent(
        sequence=head.sequence + 1,
        at=timezone.now(),
        actor=user,
        actor_name=actor_name(user),
        verb=verb,
        subject=subject[:120],
        facts=orjson.loads(orjson.dumps(facts, default=str)),
        address=ADDRESS.get(),
        previous=head.sha256,
    )
    event.sha256 = digest(event)
    event.save(force_insert=True)
    AuditHead.objects.filter(pk=1).update(sequence=event.sequence, sha256=event.sha256)
    return event


def audit_queue() -> AuditHead:
    """Wait until it is this transaction's turn to write events, which it keeps to its end; gives the newest event's."""
    AuditHead.objects.get_or_create(pk=1, defaults={"sequence": 0, "sha256": GENESIS})
    return AuditHead.objects.select_for_update().get(pk=1)


def digest(event: AuditEvent) -> str:
    """SHA-256 over everything that an event says and the hash of the one before it."""
    content = {
        "sequence": event.sequence,
        "at": instant(event.at),
        "actor": event.actor_id,
        "actor_name": event.actor_name,
        "verb": event.verb,
        "subject": event.subject,
        "facts": event.facts,
        "address": event.address,
        "previous": event.previous,
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def instant(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="microseconds")


def problems() -> Iterator[str]:
    """What is wrong with the record, one sentence each, in the order of the events; nothing for a sound one."""
    before, expected = GENESIS, 1
    for event in AuditEvent.objects.order_by("sequence").iterator(2000):
        if event.sequence != expected:
            yield f"Events {expected} to {event.sequence - 1} are missing."
        elif event.previous != before:
            yield f"Event {event.sequence} does not follow event {event.sequence - 1}: its link was changed."
        if event.sha256 != digest(event):
            yield f"Event {event.sequence} was changed after it was written."
        before, expected = event.sha256, event.sequence + 1
    head = AuditHead.objects.filter(pk=1).first()
    if (head.sequence if head else 0) != expected - 1:
        yield f"The head says {head.sequence if head else 0} events, the record ends with event {expected - 1}."
    elif head and head.sha256 != before:
        yield f"The hash of event {head.sequence} is not the one that the head holds."
