"""A run against a server that does all that servers do wrong: each fault ends in its own state, and is counted."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from django.db.models import Sum

from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.llm.endpoints import endpoint_declare
from madsafe_web.core.models import Generation, Run
from madsafe_web.core.runs import service, stages
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage
from madsafe_web.core.runs.worker import work_on

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.allow_hosts(["127.0.0.1", "::1"])]
GOOD = {"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}
WHOLE = ("truncated", "html", "empty", "length", "thinking", "bomb", "filtered", "inspected", "unauthorized", "error")
STORM_ROWS, STORM_RATE = 2000, 200


def whole_answer(fault: str) -> web.Response:
    """The answers that arrive whole."""
    message: dict[str, Any] = {"content": ""}
    if fault == "bomb":
        packed = gzip.compress(bytes(1 << 24))
        return web.Response(body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
    if fault in ("length", "thinking"):
        message = {"content": "so far" if fault == "length" else "<think>on and on"}
    answers: dict[str, tuple[int, str]] = {
        "truncated": (200, '{"choices": [{"mess'),
        "html": (200, "<html>busy</html>"),
        "empty": (200, '{"choices": []}'),
        "length": (200, json.dumps({"choices": [{"message": message, "finish_reason": "length"}]})),
        "thinking": (200, json.dumps({"choices": [{"message": message, "finish_reason": "length"}]})),
        "filtered": (200, '{"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}'),
        "inspected": (400, '{"error": {"code": "data_inspection_failed", "message": "no"}}'),
        "unauthorized": (401, '{"error": {"message": "no"}}'),
        "error": (500, '{"error": {"message": "no"}}'),
    }
    code, text = answers[fault]
    return web.Response(status=code, text=text)


@dataclass
class Server:
    """Does the fault that the prompt names; counts what it was asked."""

    asked: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    second: tuple[int, int] = (0, 0)
    port: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fault = (await request.json())["messages"][-1]["content"].rsplit(" ", 1)[-1]
        self.asked[fault] += 1
        if fault in WHOLE:
            return whole_answer(fault)
        if fault == "storm":
            return self.storm()
        if fault == "hang":
            await self.over.wait()
        if fault in ("reset", "drip"):
            return await self.broken(request, fault)
        return web.json_response(GOOD)

    def storm(self) -> web.Response:
        now = int(time.monotonic())
        self.second = (now, self.second[1] + 1 if self.second[0] == now else 1)
        if self.second[1] <= STORM_RATE:
            return web.json_response(GOOD)
        self.refused += 1
        return web.Response(status=429, headers={"Retry-After": "1"})

    async def broken(self, request: web.Request, fault: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        with suppress(ConnectionError):  # the client does not wait for all of it
            for _ in range(1 if fault == "reset" else 400):
                await response.write(b" ")
                await asyncio.sleep(0.05)
        if request.transport:
            request.transport.abort()
        return response


@pytest.fixture
def server() -> Iterator[Server]:
    """A server in a loop of its own."""
    made, loop, up = Server(), asyncio.new_event_loop(), threading.Event()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", made.handle)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.port = runner.addresses[0][1]
        up.set()
        return runner

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    yield made
    loop.call_soon_threadsafe(made.over.set)
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@dataclass(frozen=True, slots=True)
class Params:
    faults: list[str]
    endpoint: str = "faulty"


def plan(run: Run) -> list[str]:
    return [f"{number} {fault}" for number, fault in enumerate(run.params["faults"])]


def fetch(run: Run, keys: list[str]) -> list[tuple[str, str]]:
    return [(key, key) for key in keys]


async def process(row: str, params: Params, context: None, ask: Ask) -> Result:
    reply = await ask(params.endpoint, templates.render("chat", {"prompt": row}, Sampling(max_tokens=5)))
    if reply.finish == "length":
        return Result(None, Outcome.TRUNCATED, "cut off")
    return Result(reply.text) if reply.text else Result(None, Outcome.UNPARSED)


def write(run: Run, rows: list[tuple[str, str, Result]]) -> list[Result]:
    return [result for _, _, result in rows]


STAGE = RowStage(
    name="faulty",
    params=Params,
    plan=f"{__name__}:plan",
    fetch=f"{__name__}:fetch",
    process=process,
    write=f"{__name__}:write",
)


def work(server: Server, monkeypatch: pytest.MonkeyPatch, faults: list[str], **options: Any) -> Run:
    monkeypatch.setattr(stages, "stages", lambda: {"faulty": STAGE})
    usual = {"total_timeout": 8.0, "tries": 2, "backoff": 0.01, "max_response_bytes": 1 << 20, "trip": 1000}
    facts = {"backend": "openai_compatible", "model": "m", "concurrency": 64, "options": {**usual, **options}}
    endpoint_declare("faulty", {**facts, "base_url": f"http://127.0.0.1:{server.port}/v1"})
    run = service.run_create(stage_name="faulty", values={"faults": faults})
    assert service.run_start(run)
    return work_on(run.pk)


def test_each_fault_ends_in_its_own_state_and_count(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [fault for fault in (*WHOLE, "hang", "reset", "drip", "none") if fault != "unauthorized"]
    run = work(server, monkeypatch, faults * 3)
    assert run.state == Run.State.DONE
    assert Counter(run.rows.values_list("outcome", "error_class")) == {
        ("error", "truncated_json"): 3,
        ("error", "html_page"): 3,
        ("error", "empty_choices"): 3,
        ("error", "too_large"): 3,
        ("error", "server_error"): 3,
        ("error", "timeout"): 3,
        ("error", "cut_off"): 3,
        ("error", "slow_body"): 3,
        ("truncated", ""): 3,
        ("truncated", "thinking_used_up"): 3,
        ("provider_refused", ""): 6,
        ("done", ""): 3,
    }
    assert service.counts(run) == {"read": 39, "kept": 3, "duplicate": 0, "rejected": 0, "failed": 36}
    once = ("filtered", "inspected", "length", "thinking", "bomb", "none")
    assert {server.asked[fault] for fault in once} == {3}
    assert {server.asked[fault] for fault in ("error", "html", "hang", "reset", "drip")} == {6}


def test_a_key_that_is_refused_stops_the_run_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    run = work(server, monkeypatch, ["unauthorized"] * 500)
    assert run.state == Run.State.FAILED
    assert "correct the key" in run.error
    assert (run.rows.count(), server.asked["unauthorized"] <= 64) == (0, True)


def test_a_server_that_fails_every_call_stops_the_run_and_fails_few_rows(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = work(server, monkeypatch, ["error"] * 200, trip=1, longest_wait=0.01)
    assert run.state == Run.State.FAILED
    assert "answered no call for minutes (server_error)" in run.error
    assert run.rows.count() == 0


@pytest.mark.slow
def test_a_storm_of_refusals_fails_no_row(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    run = work(server, monkeypatch, ["storm"] * STORM_ROWS)
    assert service.counts(run)["kept"] == STORM_ROWS == Generation.objects.count()
    assert server.asked["storm"] == STORM_ROWS + server.refused
    assert 0 < run.chunks.aggregate(told=Sum("throttled"))["told"] <= server.refused


@pytest.mark.slow
def test_a_limit_that_is_known_is_kept_without_any_refusal(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    run = work(server, monkeypatch, ["storm"] * 400, rpm=60 * STORM_RATE / 2)
    assert (service.counts(run)["kept"], server.refused) == (400, 0)
