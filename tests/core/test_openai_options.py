"""What the options of a served endpoint change in its requests, and how its calls wait."""

from __future__ import annotations

import asyncio
import json

import pytest

from madsafe_web.core.llm.base import CallError, EndpointDown, Patient
from madsafe_web.core.llm.openai_compatible import OpenAICompatibleBackend, Policy
from tests.core.test_openai_compatible import GOOD, KEY, Raw, call, converse, status

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", "::1"])


def test_extra_fields_go_into_every_request() -> None:
    (_, body), *_ = converse(GOOD, extra={"enable_thinking": False, "top_p": 0.5}).script.asked
    assert (body["enable_thinking"], body["top_p"], body["model"]) == (False, 0.5, "m")


def test_a_stream_is_asked_for_with_its_usage_and_read() -> None:
    event = {"choices": [{"delta": {"content": "fine"}, "finish_reason": "stop"}]}
    outcome = converse(Raw(f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n"), stream=True)
    (_, body), *_ = outcome.script.asked
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert outcome.reply.text == "fine"


def test_a_stream_that_breaks_off_is_asked_again() -> None:
    begun = Raw('data: {"choices": [{"delta": {"content": "fi"}}]}\n\n')
    end = Raw('data: {"choices": [{"delta": {"content": "fine"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
    assert converse(begun, end, stream=True).reply.text == "fine"


def test_calls_are_spaced_by_the_known_limit() -> None:
    waits = converse(GOOD, calls=5, rpm=60).waits
    assert len(waits) == 4
    assert max(waits) > 0.9


def test_one_refused_call_holds_back_the_others() -> None:
    outcome = converse(status(429, Retry_After="5"), GOOD, GOOD, GOOD, calls=2)
    assert len(outcome.script.asked) == 3
    assert max(outcome.waits) == pytest.approx(5, abs=0.2)


def test_a_server_without_places_left_is_waited_for() -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "4s"}

    async def main() -> float:
        backend = OpenAICompatibleBackend("http://127.0.0.1:9/v1", "m", KEY)
        backend._limiter.heed(headers)
        return backend._limiter.reserve(1)

    assert asyncio.run(main()) == pytest.approx(4, abs=0.1)


def test_calls_that_wait_can_be_given_up() -> None:
    async def main() -> list[object]:
        backend = OpenAICompatibleBackend("http://127.0.0.1:9/v1", "m", KEY, Policy(rpm=1))
        assert isinstance(backend, Patient)
        for _ in range(3):
            backend._limiter.reserve(0)
        waiting = [asyncio.create_task(backend.complete(call())) for _ in range(3)]
        await asyncio.sleep(0)
        backend.give_up_waiting()
        late = asyncio.create_task(backend.complete(call()))
        return await asyncio.gather(*waiting, late, return_exceptions=True)

    found = asyncio.run(asyncio.wait_for(main(), 20))
    assert [type(one) for one in found] == [asyncio.CancelledError] * 4


def test_a_server_that_fails_every_call_is_down_and_not_the_rows_that_asked_it() -> None:
    outcome = converse(status(500), calls=3, trip=2, tries=2, backoff=0.01)
    assert all(isinstance(one, CallError) and "answered no call for minutes" in str(one) for one in outcome.results)


def test_rows_that_always_get_a_whole_answer_that_is_no_completion_use_up_their_tries_and_no_more() -> None:
    outcome = converse(Raw('{"choices": []}'), calls=7, trip=3, tries=4, backoff=0.01)
    assert [type(one) for one in outcome.results] == [CallError] * 7
    assert len(outcome.script.asked) == 7 * 4


@pytest.mark.parametrize("asked", ["86400", "inf"])
def test_a_server_that_asks_to_wait_for_too_long_is_down_and_says_for_how_long(asked: str) -> None:
    outcome = converse(status(429, Retry_After=asked), GOOD)
    assert isinstance(outcome.error, EndpointDown) and outcome.error.kind == "rate_limited"
    assert f"It asks to wait {float(asked):,.0f} seconds" in str(outcome.error)
    assert outcome.waits == []


def test_a_call_that_others_could_answer_does_not_wait_for_an_open_circuit() -> None:
    async def main() -> None:
        backend = OpenAICompatibleBackend("http://127.0.0.1:9/v1", "m", KEY, Policy(trip=1))
        backend._limiter.failed()
        with pytest.raises(EndpointDown, match="failed call after call"):
            await backend.complete(call(), others=True)

    asyncio.run(main())


def test_a_call_that_opens_the_circuit_is_left_to_the_others() -> None:
    outcome = converse(status(500), GOOD, trip=1, tries=4, others=True)
    assert (outcome.error.kind, len(outcome.script.asked), outcome.waits) == ("server_error", 1, [])
