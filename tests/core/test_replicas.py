"""Replicas, prices and capabilities of endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from madsafe_web.core.llm import capabilities, options
from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Message, Reply, Scorer
from madsafe_web.core.llm.endpoints import BACKENDS, CallKeys, backend_for, endpoint_declare
from madsafe_web.core.llm.openai_compatible import OpenAICompatibleBackend
from madsafe_web.core.llm.replicas import Replicas
from madsafe_web.core.llm.rules import RulesBackend
from madsafe_web.core.llm.services import endpoint_save
from madsafe_web.core.llm.transformers import TransformersBackend
from madsafe_web.core.models import Endpoint
from madsafe_web.core.runs.errors import ConfigError, StageError
from madsafe_web.core.wording import is_known
from tests.factories import Person, make_endpoint

CALL = Call("", "", {}, (Message("user", "x"),))
DOWN = EndpointDown("unreachable", "nobody there", final=True)
KEY = "test-key-with-an-end-0042"


class Scripted:
    """A server that raises its errors one after the other and answers with its name after them."""

    offline_rules = False

    def __init__(self, name: str, errors: Sequence[CallError] = (), *, always: bool = False) -> None:
        self.name, self.errors, self.always = name, list(errors), always
        self.asked = 0
        self.others: list[bool] = []
        self.closed = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def complete(self, call: Call, *, others: bool = False) -> Reply:
        self.asked += 1
        self.others.append(others)
        await self.gate.wait()
        if self.errors:
            raise self.errors[0] if self.always else self.errors.pop(0)
        return Reply(self.name)

    async def close(self) -> None:
        self.closed = True


class PatientScripted(Scripted):
    given_up = False
    refusals = 0

    def give_up_waiting(self) -> None:
        self.given_up = True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def ask(backend: Replicas, times: int = 1) -> list[str]:
    async def every() -> list[str]:
        return [(await backend.complete(CALL)).text for _ in range(times)]

    return asyncio.run(every())


def test_the_least_busy_one_is_asked() -> None:
    async def two() -> set[str]:
        first, second = Scripted("a"), Scripted("b")
        first.gate.clear()
        backend = Replicas([first, second])
        held = asyncio.create_task(backend.complete(CALL))
        await asyncio.sleep(0)
        others = [(await backend.complete(CALL)).text for _ in range(3)]
        first.gate.set()
        return {(await held).text, *others} if others == ["b"] * 3 else set(others)

    assert asyncio.run(two()) == {"a", "b"}


def test_a_dead_one_is_passed_over_until_it_has_rested() -> None:
    clock = Clock()
    dead, alive = Scripted("dead", [DOWN]), Scripted("alive")
    backend = Replicas([dead, alive], rest_s=30, clock=clock)
    assert ask(backend, 3) == ["alive"] * 3 and dead.asked == 1
    clock.now = 31
    assert ask(backend) == ["dead"]


def test_when_all_are_dead_each_is_asked_once_and_the_endpoint_is_down() -> None:
    both = [Scripted("a", [DOWN], always=True), Scripted("b", [DOWN], always=True)]
    backend = Replicas(both)
    for number in (1, 2):
        with pytest.raises(EndpointDown):
            ask(backend)
        assert [one.asked for one in both] == [number, number]


def test_a_refused_key_is_not_tried_elsewhere() -> None:
    second = Scripted("b")
    with pytest.raises(EndpointDown):
        ask(Replicas([Scripted("a", [EndpointDown("unauthorized", "no", final=True)]), second]))
    assert second.asked == 0


def test_a_server_that_asks_to_slow_down_does_not_rest() -> None:
    slow = Scripted("slow", [CallError("rate_limited", "later")])
    assert ask(Replicas([slow, Scripted("other")]), 2) == ["other", "slow"]


@pytest.mark.parametrize("kind", ["cut_off", "slow_body", "html_page", "empty_choices", "timeout"])
def test_whatever_may_be_of_one_server_only_is_tried_elsewhere(kind: str) -> None:
    assert ask(Replicas([Scripted("a", [EndpointDown(kind, "no", final=True)]), Scripted("b")])) == ["b"]


def test_a_server_that_answers_one_call_badly_does_not_rest() -> None:
    odd = Scripted("odd", [CallError("empty_choices", "nothing")])
    assert ask(Replicas([odd, Scripted("other")]), 2) == ["other", "odd"]


def test_only_the_last_server_left_is_told_that_no_other_could_answer() -> None:
    first, last = Scripted("a", [DOWN]), Scripted("b")
    ask(Replicas([first, last]))
    assert (first.others, last.others) == ([True], [False])


def test_calls_that_wait_at_any_server_are_given_up() -> None:
    first, second = PatientScripted("a"), PatientScripted("b")
    Replicas([first, second, Scripted("c")]).give_up_waiting()
    assert first.given_up and second.given_up


def test_all_are_closed() -> None:
    both = [Scripted("a"), Scripted("b")]
    asyncio.run(Replicas(both).close())
    assert all(one.closed for one in both)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"price_in": -1}, "price_in"),
        ({"price_out": "1"}, "price_out"),
        ({"price_in": True}, "price_in"),
        ({"currency": "a long word"}, "currency"),
        ({"replicas": "https://llm.example.org/v1"}, "list"),
        ({"replicas": ["http://169.254.169.254/v1"]}, "169.254.169.254"),
        ({"replicas": [1]}, "list"),
        ({"replica_rest": 0}, "replica_rest"),
    ],
)
def test_wrong_prices_and_replicas_are_refused(written: dict[str, Any], said: str) -> None:
    assert said in options.wrong(written)


@pytest.mark.django_db
def test_an_endpoint_with_replicas_asks_each_server_under_the_same_guard() -> None:
    row = make_endpoint(base_url="https://a.example.org/v1", options={"replicas": ["https://b.example.org/v1"]})
    assert isinstance(backend_for(row), Replicas)
    row.options = {"replicas": ["http://10.0.0.1/v1"]}
    with pytest.raises(StageError, match=r"10\.0\.0\.1"):
        backend_for(row)


@pytest.mark.django_db
def test_replicas_of_a_backend_that_is_no_server_change_nothing() -> None:
    row = make_endpoint(backend="rules", base_url="", options={"replicas": ["https://b.example.org/v1"]})
    assert isinstance(backend_for(row), RulesBackend)


@pytest.mark.django_db
def test_prices_and_replicas_do_not_change_the_key_of_a_call() -> None:
    row = make_endpoint(options={"total_timeout": 60})
    before = CallKeys(row).key(CALL)
    row.options |= {"price_in": 1, "currency": "CNY", "replicas": ["https://b.example.org/v1"]}
    assert CallKeys(row).key(CALL) == before
    row.options |= {"extra": {"enable_thinking": False}}
    assert CallKeys(row).key(CALL) != before


@pytest.mark.django_db
def test_replicas_that_an_endpoint_of_batches_was_saved_with_are_told_when_it_is_used() -> None:
    values = {"backend": "openai_batch", "base_url": "https://a.example.org/v1"}
    row = make_endpoint("e", **values, options={"replicas": ["https://b.example.org/v1"]})
    with pytest.raises(StageError, match="batches go to one server") as caught:
        backend_for(row)
    assert is_known(str(caught.value))


@pytest.mark.django_db
def test_a_stored_key_does_not_go_to_a_new_replica() -> None:
    values = {"name": "e", "backend": "openai_compatible", "base_url": "https://a.example.org/v1", "model": "m"}
    row = endpoint_save(user=None, endpoint=None, values={**values, "options": {}}, key=KEY)
    moved = {"options": {"replicas": ["https://b.example.org/v1"]}}
    with pytest.raises(ValidationError) as caught:
        endpoint_save(user=None, endpoint=row, values={**values, **moved})
    assert list(caught.value.message_dict) == ["key"]
    with pytest.raises(ConfigError, match="stored key"):
        endpoint_declare("e", {**{k: v for k, v in values.items() if k != "name"}, **moved})
    endpoint_save(user=None, endpoint=row, values={**values, **moved}, key=KEY)
    assert Endpoint.objects.get().options == moved["options"]


def test_the_table_names_every_backend_and_says_what_its_code_can() -> None:
    assert set(BACKENDS) <= set(capabilities.BACKENDS)
    served, loaded = OpenAICompatibleBackend, TransformersBackend
    for name, backend in {"rules": RulesBackend, "openai_compatible": served, "transformers": loaded}.items():
        able = capabilities.of(name)
        assert able.logprobs == able.prompt_logprobs == issubclass(backend, Scorer)


@pytest.mark.django_db
def test_the_page_of_an_endpoint_shows_what_its_backend_can_do(admin: Person) -> None:
    page = admin.get(f"/endpoints/{make_endpoint().pk}/")
    assert page.context["able"] == capabilities.of("openai_compatible")
    assert "What this backend can do" in page.content.decode()
