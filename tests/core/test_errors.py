"""The pages of errors: their id, their theme and language, and what they need to be shown."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from madsafe_web.core import context, errors
from madsafe_web.core.management.commands.serve import worker_command
from madsafe_web.core.models import User, WorkerPulse
from madsafe_web.core.runs import lease
from tests.factories import Person, make_user

pytestmark = pytest.mark.django_db
GONE = OperationalError("the server closed the connection")


def broken(error: Exception, path: str = "/runs/", **cookies: str) -> HttpResponse:
    """What a signed-in lead gets while every query raises the error."""
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.filter(username="lead").first() or make_user("lead", User.Role.LEAD))
    client.cookies.load(cookies)

    def fail(*_: Any) -> None:
        raise error

    with connection.execute_wrapper(fail):
        return client.get(path)


@pytest.mark.parametrize("error", [GONE, InterfaceError("connection already closed")])
def test_a_database_that_is_away_gives_503_and_says_when_to_come_again(error: Exception) -> None:
    answer = broken(error)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"
    assert "The database cannot be reached." in answer.content.decode()


def test_the_page_of_503_keeps_the_headers_of_every_page() -> None:
    answer = broken(GONE)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Request-ID"] in answer.content.decode()


def test_a_database_away_before_a_view_is_chosen_gives_503_too() -> None:
    assert broken(GONE, "/nothing/").status_code == 503


def test_a_connection_that_cannot_be_opened_gives_503() -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make_user("lead", User.Role.LEAD))
    with patch("django.db.backends.base.base.BaseDatabaseWrapper.cursor", side_effect=GONE):
        assert client.get("/").status_code == 503


def test_programs_get_503_as_a_problem() -> None:
    answer = broken(GONE, "/api/v1/nothing/")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The service cannot be used just now. Try again in a moment.",
        "instance": f"urn:request:{answer.headers['X-Request-ID']}",
    }


def test_a_table_that_is_missing_is_no_database_that_is_away() -> None:
    assert not errors.database_is_away(OperationalError("no such table: core_run"))
    assert not errors.database_is_away(ValueError("x"))


def test_an_unexpected_error_gives_500_with_the_id_that_the_log_has(caplog: pytest.LogCaptureFixture) -> None:
    answer = broken(ValueError("x"))
    request_id = answer.headers["X-Request-ID"]
    assert answer.status_code == 500
    assert request_id in answer.content.decode()
    assert any(message.startswith(f"request {request_id}: 500") for message in caplog.messages)


def test_an_error_page_asks_the_database_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        errors.server_error(RequestFactory().get("/"))


@pytest.mark.parametrize("error", [GONE, ValueError("x")])
def test_an_error_page_is_in_the_theme_and_language_of_the_browser(error: Exception) -> None:
    text = broken(error, theme="dark", django_language="zh-hans").content.decode()
    assert 'data-bs-theme="dark"' in text
    assert 'lang="zh-hans"' in text and "发生了什么" in text


@pytest.mark.parametrize("path", ["/nothing/", "/runs/987654321/"])
def test_a_missing_page_shows_the_id_of_the_request(path: str, lead: Person) -> None:
    answer = lead.get(path)
    assert answer.status_code == 404
    assert answer.headers["X-Request-ID"] in answer.content.decode()


def test_a_page_that_the_role_does_not_have_shows_the_id_of_the_request(reviewer: Person) -> None:
    answer = reviewer.get(reverse("pipeline:training-launch"))
    assert answer.status_code == 403
    assert answer.headers["X-Request-ID"] in answer.content.decode()


def test_a_form_without_its_token_is_refused_in_the_theme_of_the_browser() -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["theme"] = "dark"
    answer = client.post("/set-theme/", {"theme": "light"})
    assert answer.status_code == 403
    assert 'data-bs-theme="dark"' in answer.content.decode()
    assert answer.headers["X-Request-ID"] in answer.content.decode()


def test_a_request_for_another_host_gets_the_page_of_400() -> None:
    answer = Client(headers={"host": "elsewhere.example"}).get("/")
    assert answer.status_code == 400 and "This request is broken" in answer.content.decode()


# --- the worker ---


def silence(lead: Person) -> bool:
    return 'id="no-worker"' in lead.get("/runs/").content.decode()


def test_without_a_worker_every_page_gives_the_command_that_starts_one(lead: Person) -> None:
    assert context.WORKER_COMMAND in lead.get("/runs/").content.decode()


def test_a_worker_that_was_heard_just_now_is_not_missed(lead: Person) -> None:
    lease.pulse()
    assert not silence(lead)


def test_a_worker_not_heard_for_longer_than_30_s_is_missed(lead: Person) -> None:
    lease.pulse()
    WorkerPulse.objects.update(at=Now() - context.WORKER_SILENCE - context.WORKER_SILENCE)
    assert silence(lead)


def test_nobody_is_told_of_workers_before_signing_in() -> None:
    assert 'id="no-worker"' not in Client().get("/accounts/login/").content.decode()


def test_the_command_in_the_page_is_the_one_that_serve_uses() -> None:
    used = " ".join(worker_command()[1:])
    given = context.WORKER_COMMAND.removeprefix("python ")
    assert all(word in used for word in given.split())
