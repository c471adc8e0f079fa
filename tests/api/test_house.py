"""Tokens, people, endpoints and the audit record over the API."""

from __future__ import annotations

from typing import Any

import pytest

from madsafe_web.core.audit import audit
from madsafe_web.core.models import ApiToken, AuditEvent, Endpoint, IdempotentRequest, User
from tests.api.calls import Program, fields, make_token, problem, rows
from tests.factories import Person, make_endpoint, make_user

KEY = "sk-of-tests-only-0123"
SERVED = {
    "name": "judge",
    "backend": "openai_compatible",
    "base_url": "http://127.0.0.1:9/v1",
    "model": "m",
    "key": KEY,
}


def test_ones_own_tokens_are_listed_without_their_text(admin_api: Program) -> None:
    make_token(make_user("other"), "mads_other")
    response = admin_api.ask("me/tokens/")
    (token,) = rows(response)
    assert (token["id"], token["hint"], token["usable"]) == (admin_api.token.pk, "gram", True)
    assert admin_api.token.digest.encode() not in response.content


def test_people_are_listed_for_admins_without_secrets(admin_api: Program) -> None:
    make_user("an annotator")
    found = rows(admin_api.ask("users/", role="annotator"))
    assert [row["username"] for row in found] == ["an annotator"]
    assert not {"password", "session_epoch"} & set(found[0])


def test_a_key_goes_in_and_never_comes_out(admin_api: Program) -> None:
    made = admin_api.send("endpoints/", SERVED, key="a")
    assert made.status_code == 201, made.content
    row = Endpoint.objects.get(pk=made.json()["id"])
    assert (made.json()["has_key"], made.json()["key_hint"]) == (True, KEY[-4:])
    answers = [made, admin_api.ask("endpoints/"), admin_api.ask(f"endpoints/{row.pk}/")]
    assert not any(KEY.encode() in answer.content or row.secret.encode() in answer.content for answer in answers)
    kept = [*IdempotentRequest.objects.values_list("body"), *AuditEvent.objects.values_list("facts")]
    assert KEY not in str(kept)


def test_an_endpoint_is_changed_in_part(admin_api: Program) -> None:
    row = make_endpoint()
    assert admin_api.send(f"endpoints/{row.pk}/", {"model": "another"}, method="PATCH").json()["model"] == "another"
    row.refresh_from_db()
    assert (row.model, row.base_url) == ("another", "http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"backend": "nosuch"}, "backend"),
        ({"base_url": "file:///x"}, "base_url"),
        ({"name": ""}, "name"),
        ({"concurrency": 0}, "concurrency"),
        ({"options": []}, "options"),
        ({"secret": "x"}, "secret"),
        ({"key": "with a space"}, "key"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(admin_api: Program, values: dict[str, Any], field: str) -> None:
    assert field in fields(admin_api.send("endpoints/", {**SERVED, **values}))
    assert not Endpoint.objects.exists()


def test_only_admins_see_endpoints(lead_api: Program) -> None:
    for response in (lead_api.ask("endpoints/"), lead_api.send("endpoints/", SERVED), lead_api.ask("audit/")):
        problem(response, 403)


def test_the_audit_record_is_filtered(admin_api: Program) -> None:
    events = [audit(admin_api.user, verb, "a subject", note=verb) for verb in ("run.start", "run.cancel")]
    audit(None, "run.start", "another subject")
    for query, found in (
        ({"verb": "run.start", "actor": "admin_program"}, [events[0]]),
        ({"subject": "a subject"}, events[::-1]),
        ({"until": events[1].at.isoformat()}, [events[0]]),
        ({"since": events[1].at.isoformat(), "subject": "a subject"}, [events[1]]),
    ):
        assert [row["sequence"] for row in rows(admin_api.ask("audit/", **query))] == [one.sequence for one in found]


@pytest.mark.parametrize(("path", "queries"), [("audit/", 2), ("users/", 2), ("endpoints/", 2), ("me/tokens/", 2)])
def test_a_list_costs_the_same_for_many(
    admin_api: Program, django_assert_num_queries: Any, path: str, queries: int
) -> None:
    for number in range(4):
        audit(admin_api.user, "some.verb", f"subject {number}")
        make_user(f"person {number}")
        make_endpoint(f"endpoint {number}")
    admin_api.ask(path)
    with django_assert_num_queries(queries):
        assert rows(admin_api.ask(path))


def test_an_account_is_made_with_a_password_that_is_told_once(admin_api: Program) -> None:
    body = {"username": "newcomer", "role": "reviewer"}
    first, second = (admin_api.send("users/", body, key="a") for _ in range(2))
    user = User.objects.get(username="newcomer")
    assert first.status_code == second.status_code == 201
    assert user.check_password(first.json()["password"]) and user.must_change_password
    assert second.json() == {"user": first.json()["user"], "password": None}


def test_a_name_that_is_taken_is_a_conflict(admin_api: Program) -> None:
    make_user("newcomer")
    problem(admin_api.send("users/", {"username": "Newcomer", "role": "lead"}), 409)
    assert fields(admin_api.send("users/", {"username": "a b", "role": "lead"})) == {"username"}


def test_a_person_gets_another_role_and_is_shut_out(admin_api: Program) -> None:
    user = make_user("somebody")
    make_token(user, "mads_somebody")
    assert admin_api.send(f"users/{user.pk}/role/", {"role": "reviewer"}).json()["role"] == "reviewer"
    assert admin_api.send(f"users/{user.pk}/disable/").json()["is_active"] is False
    assert admin_api.send(f"users/{user.pk}/enable/").json()["is_active"] is True
    assert ApiToken.objects.get(user=user).revoked is not None
    assert admin_api.send(f"users/{user.pk}/password/").json()["password"]
    assert admin_api.send(f"users/{user.pk}/sign-out/").status_code == 200


def test_the_last_admin_stays(admin_api: Program) -> None:
    for verb, body in (("role", {"role": "lead"}), ("disable", {})):
        problem(admin_api.send(f"users/{admin_api.user.pk}/{verb}/", body), 409)


def test_a_token_revokes_itself_and_no_other(lead_api: Program, lead: Person) -> None:
    other = make_token(lead_api.user, "mads_other")
    problem(lead_api.send(f"me/tokens/{other.pk}/revoke/"), 403)
    problem(lead_api.send(f"me/tokens/{make_token(lead.user, 'mads_lead').pk}/revoke/"), 404)
    assert lead_api.send(f"me/tokens/{lead_api.token.pk}/revoke/").json()["usable"] is False
    problem(lead_api.ask("me/"), 401)
