"""The audit record for admins: the page with its filter, the check, the export, and the command."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from madsafe_web.core import audit_triggers
from madsafe_web.core.access import scoped
from madsafe_web.core.audit import audit
from madsafe_web.core.models import AuditEvent
from tests.factories import Person

pytestmark = pytest.mark.django_db


def listed(person: Person, **query: str) -> list[str]:
    """The verbs on the first page, newest first."""
    return [event.verb for event in person.get("/audit/", query).context["events"]]


def taken(person: Person, **form: str) -> bytes:
    return b"".join(person.post("/audit/export/", form).streaming_content)


def forge() -> None:
    """Change an event as somebody would who may drop triggers."""
    audit_triggers.drop(connection)
    AuditEvent.objects.filter(sequence=1).update(actor_name="nobody")
    audit_triggers.install(connection)


# --- the page ---


def test_the_newest_event_stands_first_with_who_what_and_from_where(admin: Person) -> None:
    audit(None, "set.freeze", "set 1", rows=3)
    admin.post("/audit/verify/", REMOTE_ADDR="192.0.2.7")
    first, second = admin.get("/audit/").context["events"]
    assert (first.verb, first.actor, first.address) == ("audit.verify", "admin", "192.0.2.7")
    assert (second.verb, second.subject, second.facts[0].value) == ("set.freeze", "set 1", "3")


def test_what_was_changed_is_shown_with_its_value_before(admin: Person) -> None:
    audit(None, "user.role", "somebody", before={"role": "lead"}, after={"role": "admin"}, reason="x")
    audit(None, "user.language", "somebody", before="en", after="zh")
    plain, nested = admin.get("/audit/").context["events"]
    assert [(fact.name, fact.was, fact.value) for fact in nested.facts] == [
        ("role", "lead", "admin"),
        ("reason", None, "x"),
    ]
    assert [(fact.was, fact.value) for fact in plain.facts] == [("en", "zh")]
    assert "lead → admin" in admin.get("/audit/").text


def test_labels_decided_together_are_shown_one_a_line_and_not_all(admin: Person) -> None:
    step = {"before": {"target": "", "revision": 0}, "after": {"target": "CIA", "revision": 1}}
    audit(None, "label.assign", "map v1", labels=[{"label": number, **step} for number in range(7)])
    (event,) = admin.get("/audit/").context["events"]
    assert (event.facts[0].name, event.facts[0].was) == ("label 0", "target –, revision 0")
    assert event.facts[0].value == "target CIA, revision 1"
    assert [fact.value for fact in event.facts[5:]] == ["+2"]


@pytest.mark.parametrize(
    ("query", "verbs"),
    [
        ({"actor": "ADM"}, ["run.start"]),
        ({"group": "run"}, ["run.start"]),
        ({"group": "login"}, ["login.failed", "login"]),
        ({"subject": "run 1"}, ["run.start"]),
        ({"actor": "nobody"}, []),
        ({"since": "2000-01-01", "until": "2000-01-02"}, []),
    ],
)
def test_each_filter_leaves_what_fits(admin: Person, query: dict[str, str], verbs: list[str]) -> None:
    audit(None, "login", "other")
    audit(admin.user, "run.start", "run 1")
    audit(None, "login.failed", "other")
    assert listed(admin, **query) == verbs


def test_the_last_day_of_a_range_belongs_to_it(admin: Person) -> None:
    audit(None, "run.start", "run 1")
    today = timezone.localdate().isoformat()
    assert listed(admin, since=today, until=today) == ["run.start"]


@pytest.mark.parametrize(
    "query", [{"group": "nosuch"}, {"since": "yesterday"}, {"until": "9999-12-31"}, {"actor": "x" * 200}]
)
def test_a_filter_that_cannot_be_used_filters_nothing(admin: Person, query: dict[str, str]) -> None:
    audit(None, "run.start", "run 1")
    assert listed(admin, **query) == ["run.start"]


def test_a_long_record_comes_in_pages_that_keep_the_filter(admin: Person) -> None:
    for number in range(60):
        audit(None, "run.start", f"run {number}")
    pager = admin.get("/audit/", {"group": "run"}).context["pager"]
    assert (pager.total, pager.previous) == (60, "")
    assert len(admin.get(f"/audit/?{pager.next}").context["events"]) == 10
    assert "group=run" in pager.next


# --- the check ---


def test_a_sound_record_is_called_so_with_the_number_of_its_events(admin: Person) -> None:
    audit(None, "run.start", "run 1")
    assert "not verified yet" in admin.get("/audit/").text
    assert "The record is sound: 1 events." in admin.post("/audit/verify/", follow=True).text
    check = admin.get("/audit/").context["check"]
    assert (check.events, check.problems, check.actor) == (1, [], "admin")


def test_a_forged_record_is_called_so_and_the_event_is_named(admin: Person) -> None:
    audit(None, "run.start", "run 1")
    forge()
    response = admin.post("/audit/verify/", follow=True)
    assert "Event 1 was changed after it was written." in response.text


def test_a_record_without_its_triggers_is_not_sound(admin: Person) -> None:
    audit_triggers.drop(connection)
    try:
        admin.post("/audit/verify/")
    finally:
        audit_triggers.install(connection)
    assert "no longer refuses changes" in admin.get("/audit/").context["check"].problems[0]


# --- the export ---


def test_an_export_holds_what_the_filter_leaves_oldest_first(admin: Person) -> None:
    for verb in ("run.start", "login", "run.pause"):
        audit(None, verb, "一", rows=1)
    rows = [json.loads(line) for line in taken(admin, format="jsonl", group="run").splitlines()]
    assert [(row["verb"], row["subject"], row["facts"]) for row in rows] == [
        ("run.start", "一", {"rows": 1}),
        ("run.pause", "一", {"rows": 1}),
    ]


def test_an_export_is_an_event_with_its_query_and_count(admin: Person) -> None:
    audit(None, "run.start", "run 1")
    assert b"audit.export" not in taken(admin, format="csv", group="run")
    event = AuditEvent.objects.get(verb="audit.export")
    assert (event.actor, event.facts) == (admin.user, {"query": {"group": "run"}, "rows": 1, "format": "csv"})


def test_a_cell_of_the_table_is_no_formula(admin: Person) -> None:
    audit(None, "run.start", "=1+1")
    (row,) = csv.DictReader(io.StringIO(taken(admin, format="csv").decode()))
    assert row["subject"] == "'=1+1"


def test_an_export_is_a_file_to_save_and_to_be_guessed_at_by_nobody(admin: Person) -> None:
    response = admin.post("/audit/export/", {"format": "csv"})
    assert response.headers["Content-Disposition"].startswith('attachment; filename="madsafe-audit-')
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("form", [{}, {"format": "exe"}, {"format": "csv", "since": "x"}])
def test_an_export_that_cannot_be_read_exports_nothing(admin: Person, form: dict[str, str]) -> None:
    assert admin.post("/audit/export/", form).status_code == 302
    assert not AuditEvent.objects.exists()


# --- who sees what ---


def test_others_see_the_work_of_the_method_and_nothing_of_people_and_exports(lead: Person) -> None:
    seen = ["run.start", "map.publish", "set.freeze", "training.launch", "corpus.import", "merge.finish"]
    hidden = ["login", "user.role", "token.create", "endpoint.key", "set.download", "review.answer", "audit.export"]
    for verb in (*seen, *hidden):
        audit(None, verb, "x")
    assert [event.verb for event in scoped(lead.user, AuditEvent).order_by("sequence")] == seen


# --- the command ---


def test_the_command_says_that_a_record_is_sound(capsys: Any) -> None:
    audit(None, "run.start", "run 1")
    call_command("audit", "verify")
    assert capsys.readouterr().out == "The audit record is sound: 1 events.\n"


def test_the_command_names_each_problem_and_ends_with_one(capsys: Any) -> None:
    audit(None, "run.start", "run 1")
    forge()
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "verify")
    assert ended.value.code == 1
    assert "Event 1 was changed" in capsys.readouterr().err


def test_the_command_writes_every_event_to_a_file(tmp_path: Path) -> None:
    audit(None, "run.start", "run 1")
    call_command("audit", "export", str(tmp_path / "record.jsonl"))
    assert [json.loads(line)["verb"] for line in (tmp_path / "record.jsonl").read_text().splitlines()] == ["run.start"]
    assert AuditEvent.objects.get(sequence=2).facts["rows"] == 1


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "export", str(tmp_path / "no" / "record.jsonl"))
    assert ended.value.code == 2
    assert "There is no folder" in capsys.readouterr().err
