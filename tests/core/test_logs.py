"""What the log holds, and what never reaches it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as shipped
from django.db import IntegrityError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from madsafe_web.core import logs
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service, worker
from tests.factories import Person, make_corpus, make_prompts

CANARY = "zanzibar-canary"
KEY = "sk-zanzibarcanary0123456789"


class Log:
    """What was written, as text and as objects."""

    def __init__(self) -> None:
        self.out = io.StringIO()

    @property
    def text(self) -> str:
        return self.out.getvalue()

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def caught(formatter: logging.Formatter) -> Iterator[Log]:
    log, root = Log(), logging.getLogger()
    handler, level = logging.StreamHandler(log.out), root.level
    handler.setFormatter(formatter)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield log
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def log() -> Iterator[Log]:
    yield from caught(logs.JsonLines())


@pytest.fixture
def lines() -> Iterator[Log]:
    yield from caught(logs.Lines())


def failed(error: Exception) -> None:
    """Log an exception as a worker does."""
    try:
        raise error
    except Exception:
        logging.getLogger("some.module").exception("it failed")


def test_a_request_is_one_object_with_its_id_and_nothing_of_its_query(log: Log, lead: Person) -> None:
    answer = lead.get(f"/prompts/?q={CANARY}", HTTP_X_CANARY=CANARY, HTTP_COOKIE=f"other={CANARY}")
    (row,) = [row for row in log.rows if row["message"] == "request"]
    assert row["request"] == answer.headers["X-Request-ID"]
    assert (row["method"], row["path"], row["level"]) == ("GET", "/prompts/", "INFO")
    assert row["status"] in (200, 302) and row["ms"] > 0
    assert CANARY not in log.text


def test_a_request_names_the_person_by_number(log: Log, lead: Person) -> None:
    lead.get("/")
    assert [row["user"] for row in log.rows if row["message"] == "request"] == [lead.user.pk]
    assert lead.user.username not in log.text


@pytest.mark.django_db
def test_what_a_form_sent_is_not_told(log: Log) -> None:
    Client().post("/accounts/login/", {"username": CANARY, "password": f"{CANARY} {KEY}"})
    assert [row["status"] for row in log.rows if row["message"] == "request"] == [200]
    assert KEY not in log.text


def test_health_checks_are_not_told(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("madsafe_web.core.health.look", lambda: logs)
    monkeypatch.setattr("madsafe_web.core.health.healthz", lambda request: HttpResponse())
    Client().get("/healthz")
    assert "request" not in [row["message"] for row in log.rows]


def test_a_forged_host_is_not_quoted(log: Log, lead: Person) -> None:
    assert lead.get("/", HTTP_HOST=f"{CANARY}.example").status_code == 400
    assert CANARY not in log.text


def test_a_forged_referer_loses_its_query(log: Log, settings: Any) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.post("/accounts/login/", secure=True, HTTP_REFERER=f"https://elsewhere.example/a?q={CANARY}")
    assert CANARY not in log.text


def test_the_message_of_an_exception_that_may_quote_a_row_is_left_out(log: Log) -> None:
    failed(IntegrityError(f"Key (text)=({CANARY}) already exists."))
    (row,) = log.rows
    assert "django.db.utils.IntegrityError: (its message is left out of the log)" in row["exception"]
    assert "in failed" in row["exception"]
    assert CANARY not in log.text


def test_what_an_exception_came_from_is_told_as_carefully(log: Log) -> None:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        failed(KeyError(CANARY).with_traceback(error.__traceback__))
    assert "builtins.ValueError" in log.text and "builtins.KeyError" in log.text
    assert CANARY not in log.text


def test_the_machine_may_speak_without_its_password(log: Log) -> None:
    failed(OperationalError("connection to postgresql://madsafe:hunter2@database/x failed: refused"))
    assert "connection to postgresql://[hidden]@database/x failed: refused" in log.rows[0]["exception"]


@pytest.mark.parametrize(
    "text",
    [
        f"the key {KEY} was refused",
        "mads_zanzibarcanary0123456789 is no token",
        "Authorization: Bearer zanzibarcanary",
        "'authorization': 'Basic zanzibarcanary'",
        'password="zanzibarcanary"',
        "api_key=zanzibarcanary&x=1",
        "Cookie: sessionid=zanzibarcanary",
        "redis://:zanzibarcanary@host:6379/0",
        "GET /prompts/?q=zanzibarcanary HTTP/1.1",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    hidden = logs.redact(text)
    assert "zanzibarcanary" not in hidden and ("[hidden]" in hidden or "?…" in hidden)


@pytest.mark.parametrize("text", ["error 1f2e at GET /runs/12/", "Is it safe? Yes = no", "the token count is 12"])
def test_ordinary_words_stay(text: str) -> None:
    assert logs.redact(text) == text


def test_an_argument_is_redacted_with_its_message(log: Log) -> None:
    logging.getLogger("some.module").warning("refused: %s", KEY)
    assert log.rows[0]["message"] == "refused: [hidden]"


def test_a_failed_task_names_only_the_task(log: Log) -> None:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        facts = {"name": "execute_run", "id": "1", "exc": repr(error), "traceback": CANARY}
        logging.getLogger("celery.app.trace").error("Task %(name)s: %(exc)s\n%(traceback)s", facts, exc_info=True)
    assert log.rows[0]["message"] == "Task execute_run failed"
    assert CANARY not in log.text


def test_a_line_cannot_be_forged_by_a_newline(lines: Log, log: Log) -> None:
    logging.getLogger("some.module").warning("one\n2026-01-01 ERROR forged")
    assert len(log.text.splitlines()) == 1
    assert "\n  2026-01-01 ERROR forged" in lines.text


def test_a_line_says_what_it_is_about(lines: Log) -> None:
    with logs.about(run=5), logs.about(chunk=3):
        logging.getLogger("some.module").warning("lost")
    assert lines.text.endswith("WARNING some.module lost [run=5 chunk=3]\n")
    assert logs.ABOUT.get() is None


@pytest.mark.django_db
def test_the_work_on_a_run_names_run_and_chunk_and_no_prompt(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    make_prompts(3, make_corpus("Some corpus"), scenario="Some scenario")
    run = service.run_create(stage_name="deduplicate", values={})
    assert service.run_start(run)

    def die(*_: object) -> None:
        raise ValueError(CANARY)

    monkeypatch.setattr(worker, "point", lambda name: die)
    monkeypatch.setattr(worker, "_work_rows", worker._work_whole)
    assert worker.work_on(run.pk).state == Run.State.FAILED
    begun = next(row for row in log.rows if row["message"] == "chunk begun")
    assert (begun["run"], begun["chunk"]) == (run.pk, 0)
    told = next(row for row in log.rows if row["message"] == "run failed")
    assert told["run"] == run.pk and "ValueError" in told["exception"]
    assert CANARY not in log.text


def test_an_error_of_a_page_is_told_with_its_request(log: Log) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        logging.getLogger("some.module").error("seen")
        return HttpResponse()

    request = RequestFactory().get("/somewhere/?q=x")
    request.id = "abc"
    logs.logged_request(view)(request)
    assert [(row["message"], row["request"], row["path"]) for row in log.rows] == [
        ("seen", "abc", "/somewhere/"),
        ("request", "abc", "/somewhere/"),
    ]


def test_both_formats_are_declared_and_no_logger_writes_past_them() -> None:
    assert set(shipped.LOGGING["formatters"]) == {"line", "json"}
    for name in ("django", "django.request", "django.server", "django.security.csrf"):
        assert logging.getLogger(name).handlers == []
