from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Message, Reply, Sampling
from madsafe_web.core.llm.openai_compatible import OpenAICompatibleBackend, Policy, create, retry_after_seconds

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", "::1"])

KEY = "test-key-0000"
GOOD = {"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}


def call(**sampling: Any) -> Call:
    messages = (Message("system", "be brief"), Message("user", "你好"))
    return Call("", "", {}, messages, Sampling(temperature=0.5, top_p=0.9, max_tokens=20, **sampling))


@dataclass(frozen=True)
class Raw:
    text: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Script:
    """What the server answers, one entry a request, the last one for ever after; and what it was asked."""

    answers: list[Any]
    asked: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((dict(request.headers), await request.json()))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if answer == "hang":
            await self.over.wait()
        if answer == "cut":
            return await cut_off(request)
        if isinstance(answer, Raw):
            return web.Response(status=answer.status, text=answer.text, headers=answer.headers)
        return web.json_response(answer)


async def cut_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices"')
    assert request.transport is not None
    request.transport.abort()
    return response


@dataclass
class Outcome:
    results: list[Reply | BaseException]
    script: Script
    waits: list[float]

    @property
    def error(self) -> CallError:
        (error,) = self.results
        assert isinstance(error, CallError)
        return error

    @property
    def reply(self) -> Reply:
        (reply,) = self.results
        assert isinstance(reply, Reply), reply
        return reply


def converse(
    *answers: Any, calls: int = 1, asked: Call | None = None, path: str = "", others: bool = False, **policy: Any
) -> Outcome:
    """Make `calls` calls at once to a server on loopback that follows the script; waits are recorded, not slept."""
    script, waits = Script(list(answers)), []

    async def no_sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    async def main() -> list[Reply | BaseException]:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/v1/chat/completions", script.handle)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        url = f"http://127.0.0.1:{port}/v1{path}"
        clock = lambda: time.monotonic() + sum(waits)  # noqa: E731  # a wait takes its time on the clock only
        backend = OpenAICompatibleBackend(url, "m", KEY, Policy(**policy), no_sleep, random.Random(1), clock)
        try:
            work = (backend.complete(asked or call(), others=others) for _ in range(calls))
            return await asyncio.gather(*work, return_exceptions=True)
        finally:
            await backend.close()
            script.over.set()
            await runner.cleanup()

    return Outcome(asyncio.run(main()), script, waits)


def status(code: int, message: str = "", error_code: str = "", **headers: str) -> Raw:
    body = json.dumps({"error": {"message": message, "code": error_code}})
    return Raw(body, code, {name.replace("_", "-"): value for name, value in headers.items()})


def test_only_standard_fields_are_sent() -> None:
    (_, body), *_ = converse(GOOD).script.asked
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "你好"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 20,
        "stream": False,
    }


def test_a_seed_is_sent_when_there_is_one() -> None:
    assert converse(GOOD, asked=call(seed=0)).script.asked[0][1]["seed"] == 0


def test_the_key_goes_into_the_header() -> None:
    assert converse(GOOD).script.asked[0][0]["Authorization"] == f"Bearer {KEY}"


def test_a_reply_holds_text_reasoning_and_usage() -> None:
    message = {"content": "fine", "reasoning_content": "because"}
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    reply = converse({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).reply
    assert reply == Reply("fine", "stop", "because", 7, 2)


@pytest.mark.parametrize(
    ("reason", "finish"), [("length", "length"), ("content_filter", "content_filter"), ("eos", "stop"), (None, "stop")]
)
def test_the_finish_reason_is_mapped(reason: str | None, finish: str) -> None:
    assert converse({"choices": [{"message": {"content": None}, "finish_reason": reason}]}).reply.finish == finish


@pytest.mark.parametrize("code", ["content_filter", "data_inspection_failed", "DataInspectionFailed"])
def test_a_request_that_the_provider_filters_is_a_filtered_reply_and_never_asked_again(code: str) -> None:
    outcome = converse(status(400, "no", code))
    assert (outcome.reply.finish, len(outcome.script.asked)) == ("content_filter", 1)


@pytest.mark.parametrize(
    ("code", "kind"), [(400, "bad_request"), (413, "bad_request"), (422, "bad_request"), (404, "not_found")]
)
def test_a_request_that_can_never_succeed_is_asked_once(code: int, kind: str) -> None:
    outcome = converse(status(code, "too long"))
    assert (outcome.error.kind, outcome.error.final, len(outcome.script.asked)) == (kind, True, 1)
    assert "too long" in str(outcome.error)


def test_a_wrong_path_names_the_url_and_what_to_do() -> None:
    error = converse(GOOD, path="/wrong").error
    assert (error.kind, error.final) == ("not_found", True)
    assert "/v1/wrong/chat/completions" in str(error)


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_key_takes_the_endpoint_down(code: int) -> None:
    outcome = converse(status(code, f"Incorrect key {KEY}"))
    assert isinstance(outcome.error, EndpointDown)
    assert (outcome.error.kind, len(outcome.script.asked)) == ("unauthorized", 1)


@pytest.mark.parametrize("code", [400, 401, 404, 429, 500])
def test_no_message_repeats_the_key(code: int) -> None:
    outcome = converse(status(code, f"Incorrect key {KEY}"), tries=1, rate_limit_tries=1)
    assert "Incorrect key ***" in str(outcome.error)
    assert KEY not in repr(outcome.error)


def test_a_redirect_is_not_followed() -> None:
    outcome = converse(status(307, Location="http://127.0.0.1:1/"))
    assert isinstance(outcome.error, EndpointDown)


def test_a_server_error_is_tried_again_with_growing_jitter() -> None:
    outcome = converse(status(500), status(502), GOOD, backoff=1.0)
    assert outcome.reply.text == "fine"
    assert [0 <= wait <= bound for wait, bound in zip(outcome.waits, (1, 2), strict=True)] == [True, True]


def test_tries_are_bounded() -> None:
    outcome = converse(status(500), tries=3)
    assert (outcome.error.kind, outcome.error.final, len(outcome.script.asked)) == ("server_error", False, 3)


def test_retry_after_is_honoured() -> None:
    outcome = converse(status(429, Retry_After="7"), GOOD)
    assert outcome.reply.text == "fine"
    assert outcome.waits[0] == pytest.approx(7, abs=0.1)


def test_a_retry_after_beyond_patience_ends_the_call() -> None:
    outcome = converse(status(429, Retry_After="3600"))
    assert (outcome.error.kind, len(outcome.script.asked)) == ("rate_limited", 1)


def test_slowing_down_does_not_use_up_the_tries() -> None:
    outcome = converse(*[status(429)] * 6, GOOD, tries=2)
    assert outcome.reply.text == "fine"


def test_slowing_down_is_bounded_too() -> None:
    outcome = converse(status(429), rate_limit_tries=4)
    assert (outcome.error.kind, len(outcome.script.asked)) == ("rate_limited", 4)


def test_a_storm_of_refusals_fails_no_row() -> None:
    outcome = converse(*[status(429, Retry_After="0")] * 60, GOOD, calls=20)
    assert all(isinstance(result, Reply) for result in outcome.results)


def test_a_connection_cut_in_the_middle_is_tried_again() -> None:
    assert converse("cut", GOOD).reply.text == "fine"
    assert converse("cut", tries=1).error.kind == "cut_off"


def test_a_hanging_server_is_a_timeout() -> None:
    assert converse("hang", tries=1, total_timeout=0.05).error.kind == "timeout"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("<html>busy</html>", "html_page"),
        ('{"choices": [{"message": {"cont', "truncated_json"),
        ('{"choices": []}', "empty_choices"),
        ('{"error": {"code": "overloaded", "message": "busy"}}', "error_object"),
        ("", "bad_response"),
        ("busy", "bad_response"),
        ("{}", "bad_response"),
        ("[]", "bad_response"),
        ('{"choices": [{"message": {"content": 5}}]}', "bad_response"),
        ('{"choices": [{"message": null}]}', "bad_response"),
    ],
)
def test_an_answer_that_is_no_completion_has_a_name(answer: str, kind: str) -> None:
    assert converse(Raw(answer), tries=1).error.kind == kind


def test_an_answer_beyond_the_size_limit_is_refused() -> None:
    outcome = converse({"choices": [{"message": {"content": "x" * 5000}}]}, max_response_bytes=1000)
    assert (outcome.error.kind, outcome.error.final, len(outcome.script.asked)) == ("too_large", True, 1)


def test_a_lone_surrogate_in_a_prompt_can_be_sent() -> None:
    asked = Call("", "", {}, (Message("user", "\ud800"),))
    assert converse(GOOD, asked=asked).reply.text == "fine"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ask_once(backend: OpenAICompatibleBackend, asked: Call) -> Reply:
    try:
        return await backend.complete(asked)
    finally:
        await backend.close()


def test_a_server_that_is_not_there_says_where_and_what_to_do() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(EndpointDown, match="start the server or correct the base URL") as caught:
        asyncio.run(ask_once(OpenAICompatibleBackend(url, "m", KEY, Policy(tries=2, backoff=0.0)), call()))
    assert url in str(caught.value)


def test_one_backend_serves_one_loop_after_another() -> None:
    backend = OpenAICompatibleBackend(f"http://127.0.0.1:{free_port()}/v1", "m", "", Policy(tries=1))
    for _ in range(2):
        with pytest.raises(EndpointDown):
            asyncio.run(ask_once(backend, call()))


@pytest.mark.parametrize("url", ["", "file:///etc/hosts", "localhost:8000/v1", "http:///v1", "http://u:p@127.0.0.1/v1"])
def test_a_base_url_that_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        OpenAICompatibleBackend(url, "m")


def test_the_options_of_an_endpoint_set_the_policy() -> None:
    @dataclass(frozen=True)
    class Endpoint:
        base_url: str = "http://127.0.0.1:1/v1"
        model: str = "m"
        api_key: str = ""
        options: Any = field(default_factory=lambda: {"tries": 1, "concurrency": 64})

    backend = create(Endpoint())
    assert not backend.offline_rules
    assert backend._policy.tries == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("", None), ("3", 3.0), ("-1", 0.0), ("soon", None), ("Mon, 01 Jan 2024 00:00:10 GMT", 10.0)],
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    assert retry_after_seconds(header, datetime(2024, 1, 1, tzinfo=UTC)) == seconds
