"""Replies held to a JSON schema: what is sent, what it makes of a call's key, and that nothing changes without it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from annotation.rows import LabelRow, TaxonomyText
from annotation.stages import suggest
from evaluation.judges import parse as judging
from evaluation.stages import evaluate
from madsafe_web.core.llm import structured
from madsafe_web.core.llm.base import Call, Message, Reply, Sampling
from madsafe_web.core.llm.endpoints import CallKeys
from madsafe_web.core.llm.parse import CATEGORIES, suggestion, suggestion_schema
from madsafe_web.core.llm.trying import HELD, endpoint_try
from madsafe_web.core.models import Endpoint, User
from tests.core.test_openai_compatible import GOOD, call, converse
from tests.factories import make_endpoint, make_user

WAYS = ("none", "response_format", "vllm")
SCHEMA = structured.object_of({"a": {"type": "string"}})
HELD_CALL = replace(call(), schema=SCHEMA)
SERVED = {"backend": "openai_compatible", "base_url": "http://127.0.0.1:1/v1", "model": "m"}


def sent(way: str, asked: Call) -> dict[str, Any]:
    (_, body), *_ = converse(GOOD, asked=asked, structured_output=way).script.asked
    return {name: body[name] for name in ("response_format", "structured_outputs") if name in body}


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_each_way_has_its_field() -> None:
    assert sent("none", HELD_CALL) == {}
    assert sent("response_format", HELD_CALL) == {
        "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": SCHEMA}}
    }
    assert sent("vllm", HELD_CALL) == {"structured_outputs": {"json": SCHEMA}}


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.parametrize("way", WAYS)
def test_a_call_without_a_schema_is_sent_as_ever(way: str) -> None:
    assert sent(way, call()) == {}


def endpoint(**options: Any) -> Endpoint:
    return Endpoint(name="e", **SERVED, options=options)


@pytest.mark.parametrize("way", WAYS)
def test_the_option_is_no_part_of_the_key_of_a_call_without_a_schema(way: str) -> None:
    assert CallKeys(endpoint(structured_output=way)).key(call()) == CallKeys(endpoint()).key(call())
    assert CallKeys(endpoint(structured_output=way)).former(call()) == ""


def test_a_schema_is_no_part_of_the_key_where_it_is_not_used() -> None:
    plain = CallKeys(endpoint()).key(call())
    assert CallKeys(endpoint()).key(HELD_CALL) == plain == CallKeys(endpoint(structured_output="none")).key(HELD_CALL)


def test_way_and_schema_are_a_part_of_the_key_where_they_are_used() -> None:
    other = replace(call(), schema=structured.object_of({"b": {"type": "string"}}))
    keys = {CallKeys(endpoint(structured_output=way)).key(asked) for way in WAYS for asked in (HELD_CALL, other)}
    assert len(keys) == 5


def test_replies_of_0_1_0_are_still_found_by_their_options_then() -> None:
    assert CallKeys(endpoint(tries=9, structured_output="vllm")).former(call()) == CallKeys(endpoint(tries=9)).former(
        call()
    )


@pytest.mark.parametrize(
    ("backend", "way", "fine"),
    [
        ("openai_compatible", "response_format", True),
        ("openai_compatible", "vllm", True),
        ("openai_compatible", "json", False),
        ("openai_compatible", ["vllm"], False),
        ("openai_batch", "response_format", True),
        ("openai_batch", "vllm", False),
        ("vllm", "vllm", True),
        ("vllm", "response_format", False),
        ("transformers", "response_format", False),
        ("transformers", "none", True),
    ],
)
@pytest.mark.django_db
def test_a_way_that_the_backend_does_not_know_is_refused(backend: str, way: Any, fine: bool) -> None:
    row = Endpoint(name="e", **{**SERVED, "backend": backend, "base_url": "https://llm.example.org/v1"})
    row.options = {"structured_output": way}
    if fine:
        row.full_clean()
    else:
        with pytest.raises(ValidationError, match="structured_output"):
            row.full_clean()


# --- stages ---


def asked_by(work: Callable[[Any], Coroutine[Any, Any, Any]], text: str) -> tuple[Call, Any]:
    """The one call that a row function made, and what it gave for this reply."""
    calls: list[Call] = []

    async def ask(_: str, asked: Call) -> Reply:
        calls.append(asked)
        return Reply(text)

    result = asyncio.run(work(ask))
    return calls[0], result


def test_the_suggestion_of_a_category_is_asked_for_with_its_schema() -> None:
    row = LabelRow(id=1, name="x", language="zh", examples=("y",))
    text, reply = TaxonomyText(CATEGORIES, {"zh": "OFF"}), '{"category": "OFF", "confidence": 0.5}'
    asked, result = asked_by(lambda ask: suggest.process(row, suggest.Params(), text, ask), reply)
    assert asked.schema == suggestion_schema(CATEGORIES) and result.value.category == "OFF"


def test_a_judge_is_asked_for_a_verdict_with_its_schema() -> None:
    row = SimpleNamespace(words={"zh": ("n", "d")}, codes=CATEGORIES, nonce="1", category="OFF", text="t")
    verdict = {"analysis": "", "response_type": "refusal", "verdict": "safe", "confidence": 1}
    reply = json.dumps({**verdict, "reason_code": "no_harm", "violated": []})
    asked, vote = asked_by(lambda ask: evaluate._vote(1, "zh", row, "r", "e", ask), reply)
    assert asked.schema == judging.schema(CATEGORIES) and vote.verdict == "safe"


@pytest.mark.parametrize("text", ["", "no JSON", '{"category": "OFF", "confi'])
def test_a_reply_that_is_no_json_all_the_same_is_unparsed(text: str) -> None:
    assert suggestion(text) is None and judging.verdict(text) is None


def values(schema: Any) -> Any:
    """The first value that a schema allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        return {name: values(part) for name, part in schema["properties"].items()}
    return {"array": [], "number": 0.5, "string": "x"}[schema["type"]]


def test_what_keeps_to_a_schema_can_be_read() -> None:
    assert suggestion(json.dumps(values(suggestion_schema(CATEGORIES)))) is not None
    assert judging.verdict(json.dumps(values(judging.schema(CATEGORIES)))) is not None


# --- trying ---


@pytest.fixture
def boss(db: None) -> User:
    return make_user("boss", User.Role.ADMIN)


class Saying:
    """A backend that gives one text and keeps what it was asked."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, list[Call]()

    async def complete(self, asked: Call) -> Reply:
        self.asked.append(asked)
        return Reply(self.text)

    async def close(self) -> None: ...


def tried(boss: User, text: str, way: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Call]:
    backend = Saying(text)
    monkeypatch.setattr("madsafe_web.core.llm.trying.backend_of", lambda _: backend)
    row = make_endpoint(base_url="https://llm.example.org/v1", options={"structured_output": way})
    return endpoint_try(user=boss, endpoint=row), backend.asked[0]


@pytest.mark.parametrize(("text", "fine"), [('{"word": "ready"}', True), ("ready", False), ('{"word": "?"}', False)])
def test_trying_says_whether_the_server_keeps_to_a_schema(
    text: str, fine: bool, boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, asked = tried(boss, text, "response_format", monkeypatch)
    assert asked == HELD and found.fine is fine
    assert fine or "ignores the JSON schema sent as 'response_format'" in found.text


def test_without_the_option_any_reply_is_fine(boss: User, monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = tried(boss, "ready", "none", monkeypatch)
    assert found.fine and asked.schema is None and asked.messages == (Message("user", "Say one word: ready"),)
    assert asked.sampling == Sampling(max_tokens=16)
