"""Every error is a problem, and no input makes one that nobody expected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from madsafe_web.core.api.parsing import DEEPEST
from tests.api.calls import PROBLEM, Program, fields, problem
from tests.factories import make_user


def raw(program: Program, body: bytes | str, content: str = "application/json", path: str = "runs/") -> Any:
    return program.generic("POST", f"/api/v1/{path}", body, content)


def test_an_unknown_address_is_a_problem(db: None) -> None:
    assert problem(Client().get("/api/v1/nosuch/"), 404)["detail"] == "There is nothing at this address."


def test_an_unknown_host_is_a_problem(db: None) -> None:
    problem(Client().get("/api/v1/me/", headers={"host": "elsewhere.example"}), 400)


def test_an_error_that_nobody_expected_is_a_problem_without_its_cause(
    lead_api: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("madsafe_web.core.api.runs.run_lines", broken)
    lead_api.raise_request_exception = False
    response = lead_api.ask("runs/")
    problem(response, 500)
    assert b"secret" not in response.content
    assert response.headers["X-Request-ID"]


def test_a_page_keeps_its_own_error(db: None) -> None:
    assert Client().get("/nosuch/").headers["Content-Type"].startswith("text/html")


def test_a_method_that_is_not_there_is_named(lead_api: Program) -> None:
    response = lead_api.send("runs/", method="DELETE")
    problem(response, 405)
    assert response.headers["Allow"] == "GET, HEAD, POST"


def test_only_json_is_given(lead_api: Program) -> None:
    problem(lead_api.get("/api/v1/me/", headers={"accept": "text/html"}), 406)


def test_only_json_is_taken(lead_api: Program) -> None:
    problem(raw(lead_api, "stage=label", "application/x-www-form-urlencoded"), 415)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"stage": NaN}',
        b'{"stage": "\\ud800"}',
        b'{"stage": "\\u0000"}',
        b'{"\\u0000": 1}',
        b"[" * 5000 + b"]" * 5000,
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        b"[1]",
        b'"label"',
        b"null",
        b'{"stage": ' + b"9" * 5000 + b"}",
        b'{"stage": ["label"]}',
        b'{"stage": {}}',
        b'{"stage": 7}',
        b'{"stage": "label", "params": []}',
        b'{"stage": "label", "start": "yes"}',
        b'{"stage": "label", "unknown": 1}',
    ],
)
def test_what_cannot_be_read_is_refused(lead_api: Program, body: bytes) -> None:
    problem(raw(lead_api, body), 400)


def test_a_large_body_is_refused(lead_api: Program, settings: Any) -> None:
    settings.API_LARGEST_BODY = 100
    problem(raw(lead_api, json.dumps({"stage": "x" * 100})), 413)


def test_the_wrong_fields_are_named(lead_api: Program) -> None:
    assert fields(lead_api.send("runs/", {"stage": "nosuch", "unknown": 1})) == {"unknown"}
    assert fields(lead_api.send("runs/", {"stage": "nosuch", "start": 1})) == {"stage", "start"}
    assert fields(lead_api.send("labels/assign/", {"labels": [{"id": "1"}], "category": "OFF"})) == {
        "labels.0.id",
        "labels.0.revision",
    }


@pytest.mark.parametrize(
    "query", ["nosuch=1", "limit=0", "limit=201", "limit=x", "cursor=x", "order=name", "state=%00"]
)
def test_a_parameter_that_cannot_be_used_is_refused(lead_api: Program, query: str) -> None:
    assert fields(lead_api.get(f"/api/v1/runs/?{query}")) == {query.partition("=")[0]}


def test_a_write_takes_no_parameters(lead_api: Program) -> None:
    problem(lead_api.send("runs/?dry=1", {"stage": "label"}), 400)


def test_an_answer_is_in_english_whatever_the_reader_prefers(lead_api: Program) -> None:
    response = lead_api.get("/api/v1/runs/?limit=0", headers={"accept-language": "zh-hans"})
    assert problem(response, 400)["errors"][0]["detail"] == "Ensure this value is greater than or equal to 1."
    assert response.headers["Content-Language"] == "en"


def test_who_is_not_known_is_told_nothing_of_the_body(db: None) -> None:
    make_user()
    response = Client().post("/api/v1/runs/", b"{", "application/json")
    assert response.headers["Content-Type"] == PROBLEM
    problem(response, 401)
