"""The Batch backend against a scripted local server: gathering, matching, resuming, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from madsafe_web.core import outbound
from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Message, Patient, Reply, Sampling
from madsafe_web.core.llm.openai_batch import OpenAIBatchBackend, call_id, create, payload
from madsafe_web.core.runs.errors import NeedsPeople

QUICK = {"batch_gather": 0.05, "batch_poll": 0.05, "batch_patience": 5.0}
KEY = "test-key-with-an-end-0042"


def call(text: str) -> Call:
    return Call("", "", {}, (Message("user", text),), Sampling(seed=1))


@dataclass
class Provider:
    """A Batch API: batches end after `looks` looks, results come in turned order."""

    looks: int = 1
    status: int = 200
    end: str = "completed"
    files: dict[str, str] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    drop: set[str] = field(default_factory=set)  # texts without a result

    gone: set[str] = field(default_factory=set)  # files that it has no more
    missing: bool = False  # no list of batches
    page: bool = False  # a web page in place of an answer

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/files", self.upload)
        app.router.add_get("/v1/files/{id}/content", self.content)
        app.router.add_post("/v1/batches", self.make)
        app.router.add_get("/v1/batches", self.every)
        app.router.add_get("/v1/batches/{id}", self.look)
        return app

    async def upload(self, request: web.Request) -> web.Response:
        if self.page:
            return web.Response(text="<html></html>", content_type="text/html")
        if self.status != 200:
            return web.json_response(
                {"error": {"message": f"no {request.headers['Authorization']}"}}, status=self.status
            )
        form = await request.post()
        name = f"file-{len(self.files)}"
        self.files[name] = form["file"].file.read().decode()  # type: ignore[union-attr]  # it was sent as a file
        facts = {"id": name, "object": "file", "bytes": 1, "created_at": 1, "filename": "f", "purpose": "batch"}
        return web.json_response({**facts, "status": "processed"})

    async def make(self, request: web.Request) -> web.Response:
        asked = await request.json()
        name = f"batch-{len(self.batches)}"
        facts = {"id": name, "object": "batch", "created_at": 1, "status": "validating", "looks": 0}
        self.batches[name] = {**asked, **facts}
        return web.json_response(self.batches[name])

    async def every(self, request: web.Request) -> web.Response:
        if self.missing:
            raise web.HTTPNotFound
        return web.json_response({"object": "list", "data": list(self.batches.values()), "has_more": False})

    async def look(self, request: web.Request) -> web.Response:
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            raise web.HTTPNotFound
        batch["looks"] += 1
        if batch["looks"] > self.looks:
            batch["status"] = self.end
            if self.end == "completed":
                batch["output_file_id"] = self._results(batch)
        return web.json_response(batch)

    def _results(self, batch: dict[str, Any]) -> str:
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].split("\n")]
        name = f"out-{batch['id']}"
        self.files[name] = "\n".join(json.dumps(answered(line)) for line in reversed(lines) if self._kept(line))
        return name

    def _kept(self, line: dict[str, Any]) -> bool:
        return line["body"]["messages"][0]["content"] not in self.drop

    async def content(self, request: web.Request) -> web.Response:
        if request.match_info["id"] in self.gone:
            raise web.HTTPNotFound
        return web.Response(text=self.files[request.match_info["id"]])

    @property
    def asked(self) -> int:
        return sum(len(text.split("\n")) for name, text in self.files.items() if name.startswith("file-"))


def answered(line: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": "re: " + line["body"]["messages"][0]["content"]}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    return {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}


def run(
    provider: Provider, work: Callable[[Callable[..., OpenAIBatchBackend]], Awaitable[Any]], settings: Any, folder: Path
) -> Any:
    """Serve the provider and await `work` with a maker of backends, which are closed at the end."""

    async def served() -> Any:
        runner = web.AppRunner(provider.app())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        settings.LLM_ALLOWED_HOSTS, settings.VAR_DIR = (f"127.0.0.1:{port}",), folder
        made: list[OpenAIBatchBackend] = []

        def make(**options: Any) -> OpenAIBatchBackend:
            url = f"http://127.0.0.1:{port}/v1"
            endpoint = SimpleNamespace(name="b", base_url=url, model="m", api_key=KEY, options={**QUICK, **options})
            made.append(create(endpoint))
            return made[-1]

        try:
            return await work(make)
        finally:
            for one in made:
                await one.close()
            await runner.cleanup()

    return asyncio.run(served())


def test_calls_are_gathered_and_matched_by_their_ids(settings: Any, tmp_path: Path) -> None:
    async def work(make: Any) -> list[Reply]:
        backend = make(batch_rows=2)
        return list(await asyncio.gather(*(backend.complete(call(text)) for text in "abc")))

    provider = Provider()
    replies = run(provider, work, settings, tmp_path)
    assert [reply.text for reply in replies] == ["re: a", "re: b", "re: c"]
    assert (replies[0].prompt_tokens, replies[0].completion_tokens) == (3, 2)
    assert len(provider.batches) == 2 and provider.asked == 3


def test_a_worker_that_takes_over_waits_for_the_batch_that_is_there(settings: Any, tmp_path: Path) -> None:
    provider = Provider(looks=10_000)

    async def work(make: Any) -> str:
        with pytest.raises(NeedsPeople):
            await make(batch_patience=0.5).complete(call("a"))
        provider.looks = 0
        return str((await make().complete(call("a"))).text)

    assert run(provider, work, settings, tmp_path) == "re: a"
    assert len(provider.batches) == 1 and provider.asked == 1


def test_a_batch_whose_sender_died_before_it_noted_the_id_is_found_again(settings: Any, tmp_path: Path) -> None:
    provider = Provider()

    async def work(make: Any) -> str:
        await make().complete(call("a"))
        note = next(tmp_path.rglob("*.json"))
        note.write_text(json.dumps({**json.loads(note.read_text()), "id": ""}))
        return str((await make().complete(call("a"))).text)

    assert run(provider, work, settings, tmp_path) == "re: a" and len(provider.batches) == 1


def test_a_batch_that_was_never_sent_is_sent_anew(settings: Any, tmp_path: Path) -> None:
    provider = Provider()

    async def work(make: Any) -> str:
        await make().complete(call("a"))
        note = next(tmp_path.rglob("*.json"))
        note.write_text(json.dumps({**json.loads(note.read_text()), "id": ""}))
        provider.batches.clear()
        return str((await make().complete(call("a"))).text)

    assert run(provider, work, settings, tmp_path) == "re: a"


def test_a_call_without_a_result_fails_alone_and_is_asked_anew(settings: Any, tmp_path: Path) -> None:
    provider = Provider(drop={"b"})

    async def work(make: Any) -> list[Any]:
        backend = make()
        first = await asyncio.gather(*(backend.complete(call(text)) for text in "ab"), return_exceptions=True)
        provider.drop.clear()
        return [*first, await make().complete(call("b"))]

    good, bad, again = run(provider, work, settings, tmp_path)
    assert (good.text, bad.kind, again.text) == ("re: a", "batch_completed", "re: b")
    assert provider.asked == 3


def test_calls_that_are_being_gathered_are_not_sent_once_the_run_stops(settings: Any, tmp_path: Path) -> None:
    provider = Provider()

    async def work(make: Any) -> None:
        backend = make()
        assert isinstance(backend, Patient)
        asked = asyncio.create_task(backend.complete(call("a")))
        await asyncio.sleep(0)
        backend.give_up_waiting()
        with pytest.raises(asyncio.CancelledError):
            await asked
        with pytest.raises(asyncio.CancelledError):
            await backend.complete(call("b"))
        await asyncio.gather(*backend._tasks)

    run(provider, work, settings, tmp_path)
    assert provider.asked == 0 and not list(tmp_path.rglob("*.json"))


def test_a_batch_that_was_sent_before_the_run_stopped_is_not_paid_again(settings: Any, tmp_path: Path) -> None:
    provider = Provider(looks=10_000)

    async def work(make: Any) -> str:
        backend = make()
        asked = asyncio.create_task(backend.complete(call("a")))
        while not provider.batches:
            await asyncio.sleep(0.01)
        backend.give_up_waiting()
        with pytest.raises(asyncio.CancelledError):
            await asked
        provider.looks = 0
        return str((await make().complete(call("a"))).text)

    assert run(provider, work, settings, tmp_path) == "re: a" and provider.asked == 1


def test_patience_begins_anew_when_nothing_is_waited_for(settings: Any, tmp_path: Path) -> None:
    async def work(make: Any) -> str:
        backend = make()
        await backend.complete(call("a"))
        backend._patient_until = 0.0  # as it is long after the last result
        return str((await backend.complete(call("b"))).text)

    assert run(Provider(), work, settings, tmp_path) == "re: b"


def test_a_reply_that_was_handed_over_is_not_kept_and_can_be_had_again(settings: Any, tmp_path: Path) -> None:
    async def work(make: Any) -> str:
        await make().complete(call("a"))
        backend = make()
        for _ in range(2):
            reply = await backend.complete(call("a"))
            assert not backend._answers and not backend._bodies
            await asyncio.gather(*backend._tasks)
        return str(reply.text)

    provider = Provider()
    assert run(provider, work, settings, tmp_path) == "re: a" and provider.asked == 1


@pytest.mark.parametrize("lost", ["batches", "files"])
def test_a_noted_batch_that_the_provider_lost_is_asked_anew(lost: str, settings: Any, tmp_path: Path) -> None:
    provider = Provider()

    async def work(make: Any) -> str:
        await make().complete(call("a"))
        if lost == "batches":
            provider.batches.clear()
        else:
            provider.gone = set(provider.files)
        return str((await make().complete(call("a"))).text)

    assert run(provider, work, settings, tmp_path) == "re: a" and provider.asked == 2


def test_an_address_without_a_batch_api_leaves_the_note_of_a_batch(settings: Any, tmp_path: Path) -> None:
    provider = Provider()

    async def work(make: Any) -> None:
        await make().complete(call("a"))
        provider.batches.clear()
        provider.missing = True
        await make().complete(call("a"))

    with pytest.raises(EndpointDown) as caught:
        run(provider, work, settings, tmp_path)
    assert caught.value.kind == "not_found" and list(tmp_path.rglob("*.json"))


def test_a_note_older_than_the_files_of_the_provider_is_not_waited_for(settings: Any, tmp_path: Path) -> None:
    provider = Provider()

    async def work(make: Any) -> str:
        await make().complete(call("a"))
        note = next(tmp_path.rglob("*.json"))
        note.write_text(json.dumps({**json.loads(note.read_text()), "made": 0}))
        return str((await make().complete(call("a"))).text)

    assert run(provider, work, settings, tmp_path) == "re: a"
    assert provider.asked == 2 and len(list(tmp_path.rglob("*.json"))) == 1


def test_a_web_page_in_place_of_the_batch_api_ends_the_endpoint(settings: Any, tmp_path: Path) -> None:
    async def work(make: Any) -> None:
        await make().complete(call("a"))

    with pytest.raises(EndpointDown) as caught:
        run(Provider(page=True), work, settings, tmp_path)
    assert caught.value.kind == "bad_response" and "<html>" not in str(caught.value)


def test_what_another_worker_sent_while_calls_were_gathered_is_not_sent_again(settings: Any, tmp_path: Path) -> None:
    async def work(make: Any) -> list[Reply]:
        late = make(batch_gather=0.2)
        asked = [asyncio.create_task(late.complete(call(text))) for text in "ab"]
        await asyncio.sleep(0)
        await make(batch_gather=0.01).complete(call("a"))
        return list(await asyncio.gather(*asked))

    provider = Provider()
    assert [reply.text for reply in run(provider, work, settings, tmp_path)] == ["re: a", "re: b"]
    assert provider.asked == 2


@pytest.mark.parametrize("end", ["failed", "expired", "cancelled"])
def test_a_batch_that_came_to_nothing_fails_its_calls(end: str, settings: Any, tmp_path: Path) -> None:
    async def work(make: Any) -> None:
        await make().complete(call("a"))

    with pytest.raises(CallError, match=end) as caught:
        run(Provider(end=end), work, settings, tmp_path)
    assert caught.value.kind == f"batch_{end}" and not list(tmp_path.rglob("*.json"))


def test_a_refused_key_ends_the_endpoint_without_telling_the_key(settings: Any, tmp_path: Path) -> None:
    async def work(make: Any) -> None:
        await make().complete(call("a"))

    with pytest.raises(EndpointDown) as caught:
        run(Provider(status=401), work, settings, tmp_path)
    assert caught.value.kind == "unauthorized" and KEY not in str(caught.value)


def test_a_server_that_must_not_be_asked_is_refused() -> None:
    endpoint = SimpleNamespace(name="b", base_url="http://10.0.0.1/v1", model="m", api_key="", options={})
    with pytest.raises(outbound.Refused):
        create(endpoint)


def test_extra_fields_are_sent_with_every_call(settings: Any, tmp_path: Path) -> None:
    async def work(make: Any) -> None:
        await make(extra={"enable_thinking": False}).complete(call("a"))

    provider = Provider()
    run(provider, work, settings, tmp_path)
    body = json.loads(provider.files["file-0"])["body"]
    assert (body["enable_thinking"], body["model"]) == (False, "m")


def test_the_id_of_a_call_holds_its_sample() -> None:
    body = payload("m", call("a"))
    assert call_id(body, 0) == call_id(dict(body), 0) != call_id(body, 1)
