"""The audit record: chained, append-only by the database itself, and told apart when it was changed all the same."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from madsafe_web.core import audit_triggers
from madsafe_web.core.audit import ADDRESS, audit, problems
from madsafe_web.core.models import AuditEvent
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def three() -> list[AuditEvent]:
    user = make_user("somebody")
    return [audit(user, "run.start", f"run {number}", before={"x": 1.5}, after="是") for number in (1, 2, 3)]


def forge(sql: str) -> None:
    """Change the record as somebody would who may drop triggers."""
    audit_triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute(sql)
    audit_triggers.install(connection)


def test_each_event_carries_the_hash_of_the_one_before() -> None:
    first, second, third = three()
    assert [first.sequence, second.sequence, third.sequence] == [1, 2, 3]
    assert (second.previous, third.previous) == (first.sha256, second.sha256)
    assert list(problems()) == []


def test_an_event_says_where_the_request_came_from() -> None:
    token = ADDRESS.set("192.0.2.1")
    try:
        assert audit(None, "run.start", "a run").address == "192.0.2.1"
    finally:
        ADDRESS.reset(token)
    assert audit(None, "run.start", "a run").address == ""


def test_an_event_stands_or_falls_with_its_transaction() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit(None, "run.start", "a run")
        raise ZeroDivisionError
    assert not AuditEvent.objects.exists()
    assert audit(None, "run.start", "a run").sequence == 1
    assert list(problems()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE core_auditevent SET verb = 'x'",
        "DELETE FROM core_auditevent",
        "DELETE FROM core_audithead",
        "UPDATE core_audithead SET sequence = 1",
    ],
)
def test_the_database_refuses_to_change_the_record(sql: str) -> None:
    three()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert list(problems()) == []


def test_all_triggers_stand_after_the_migrations() -> None:
    assert audit_triggers.standing(connection) == set(audit_triggers.NAMES)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE core_auditevent SET actor_name = 'nobody' WHERE sequence = 2", "Event 2 was changed"),
        ("UPDATE core_auditevent SET previous = '0' WHERE sequence = 2", "its link was changed"),
        ("DELETE FROM core_auditevent WHERE sequence = 2", "Events 2 to 2 are missing"),
        ("DELETE FROM core_auditevent WHERE sequence = 3", "The head says 3 events"),
        ("UPDATE core_audithead SET sha256 = '0'", "not the one that the head holds"),
    ],
)
def test_a_forged_record_is_noticed(sql: str, words: str) -> None:
    three()
    forge(sql)
    assert any(words in problem for problem in problems())
