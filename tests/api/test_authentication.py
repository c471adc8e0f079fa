"""Who is let in by a token or a browser, and with which rights."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from madsafe_web.core.models import ApiToken, User
from tests.api.calls import Program, make_token, problem
from tests.factories import Person, make_user


def with_key(key: str) -> Client:
    return Client(headers={"authorization": f"Bearer {key}"})


def test_a_token_is_its_owner(lead_api: Program) -> None:
    me = lead_api.ask("me/").json()
    assert (me["username"], me["role"], me["token"]["hint"]) == ("lead_program", "lead", "gram")


def test_nobody_is_told_how_to_say_who_they_are(db: None) -> None:
    response = Client().get("/api/v1/me/")
    problem(response, 401)
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    "header", ["Bearer mads_other", "Bearer ", "Bearer", "Basic mads_of_tests", "Bearer é", "x" * 9000]
)
def test_a_bad_token_is_refused(db: None, header: str) -> None:
    make_token(make_user())
    response = Client(headers={"authorization": header}).get("/api/v1/me/")
    assert problem(response, 401)["detail"].startswith("The token is not known")


@pytest.mark.parametrize("ended", [{"revoked": timedelta(0)}, {"expires": timedelta(seconds=-1)}])
def test_a_token_that_ended_is_refused(db: None, ended: dict[str, timedelta]) -> None:
    make_token(make_user(), **{name: timezone.now() + by for name, by in ended.items()})
    problem(with_key("mads_of_tests").get("/api/v1/me/"), 401)


def test_the_token_of_a_disabled_person_is_refused(lead_api: Program) -> None:
    User.objects.filter(pk=lead_api.user.pk).update(is_active=False)
    problem(lead_api.ask("me/"), 401)


def test_a_new_role_holds_at_the_next_request(lead_api: Program) -> None:
    User.objects.filter(pk=lead_api.user.pk).update(role="annotator")
    problem(lead_api.send("runs/", {"stage": "label"}), 403)


def test_a_token_narrows_what_its_owner_may(db: None) -> None:
    narrow = Program(make_user("lead", "lead"), rights=["browse"])
    assert narrow.ask("me/").json()["rights"] == ["browse"]
    assert "'run'" in problem(narrow.send("runs/", {"stage": "label"}), 403)["detail"]


def test_a_token_gives_nothing_that_its_owner_may_not(annotator_api: Program) -> None:
    assert "administer" in annotator_api.token.rights
    problem(annotator_api.ask("users/"), 403)


def test_the_last_use_is_noted_once_a_minute(lead_api: Program) -> None:
    lead_api.ask("me/")
    first = ApiToken.objects.get().last_used
    lead_api.ask("me/")
    assert first is not None and ApiToken.objects.get().last_used == first
    ApiToken.objects.update(last_used=first - timedelta(minutes=2))
    lead_api.ask("me/")
    noted = ApiToken.objects.get().last_used
    assert noted is not None and noted >= first


def test_a_browser_reads_with_its_session_and_writes_with_its_csrf_token(lead: Person) -> None:
    assert lead.get("/api/v1/me/").json()["token"] is None
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(lead.user)
    assert "CSRF" in problem(strict.post("/api/v1/runs/"), 403)["detail"]


def test_a_one_time_password_opens_nothing(lead_api: Program, lead: Person) -> None:
    User.objects.update(must_change_password=True)
    assert "choose your own first" in problem(lead_api.ask("me/"), 403)["detail"]
    problem(lead.get("/api/v1/me/"), 403)


def test_one_query_finds_the_token(lead_api: Program, django_assert_num_queries: object) -> None:
    lead_api.ask("me/")
    with django_assert_num_queries(1):  # type: ignore[operator]
        lead_api.ask("me/")
