"""The processes that `engine.py` starts: the stub server, and each client that is measured against it.

`python -m tests.performance.engine_parts stub MS [RATE]` prints its port; above so many requests a second it refuses.
Every other part (bare, ours, openai) takes a base URL, a number of connections and a number of rows, and prints what it
measured as one JSON object: rows a second, milliseconds of CPU a row, MB above what it held before, rows that failed.
`ours` also takes the options of the endpoint as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

PROMPT = "第{}号问题：请说明城市里怎样节约用水，以及为什么这样做对大家都重要。"
REPLY = orjson.dumps(
    {
        "choices": [{"message": {"role": "assistant", "content": "0.25"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 4, "total_tokens": 44},
    }
)
REFUSAL = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(REPLY), REPLY)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Cap:
    """So many requests in each second of the clock; 0 for any number."""

    def __init__(self, rate: int) -> None:
        self.rate, self.second, self.count = rate, 0, 0

    def passed(self) -> bool:
        """Whether one more is too many."""
        now = int(time.monotonic())
        self.second, self.count = now, self.count + 1 if now == self.second else 1
        return 0 < self.rate < self.count


class Stub(asyncio.Protocol):
    """Answers every request `wait` seconds after its last byte; no more of HTTP than the clients here need."""

    def __init__(self, wait: float, cap: Cap) -> None:
        self.wait, self.cap, self.received = wait, cap, b""
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.received, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.received) < whole:
                return
            self.received = self.received[whole:]
            self.loop.call_later(self.wait, self.answer, REFUSAL if self.cap.passed() else ANSWER)

    def answer(self, said: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(said)


async def stub(milliseconds: float, rate: int = 0) -> None:
    loop, cap = asyncio.get_running_loop(), Cap(rate)
    server = await loop.create_server(lambda: Stub(milliseconds / 1000, cap), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def bare(url: str, connections: int, count: int) -> None:
    """The least that a client of aiohttp can do: a body, a call, the text out of the answer."""
    rows = iter(range(count))

    async def worker(session: aiohttp.ClientSession) -> None:
        for row in rows:
            body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": PROMPT.format(row)}]})
            async with session.post(f"{url}/chat/completions", data=body) as response:
                answer = orjson.loads(await response.read())
            assert answer["choices"][0]["message"]["content"]

    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
        await asyncio.gather(*(worker(session) for _ in range(connections)))


async def openai(url: str, connections: int, count: int) -> None:
    """What most write: AsyncOpenAI, a semaphore, and a task a row."""
    from openai import AsyncOpenAI

    places = asyncio.Semaphore(connections)
    async with AsyncOpenAI(base_url=url, api_key="none") as client:

        async def one(row: int) -> None:
            async with places:
                message: Any = {"role": "user", "content": PROMPT.format(row)}
                answer = await client.chat.completions.create(model="m", messages=[message])
            assert answer.choices[0].message.content

        await asyncio.gather(*(one(row) for row in range(count)))


@dataclass(frozen=True, slots=True)
class Params:
    endpoint: str = "stub"
    rows: int = 0


def plan(run: Any) -> list[str]:
    return [str(number) for number in range(run.params["rows"])]


def fetch(run: Any, keys: list[str]) -> list[tuple[str, str]]:
    return [(key, PROMPT.format(key)) for key in keys]


def write(run: Any, rows: list[tuple[str, str, Any]]) -> list[Any]:
    """The reply itself is the result: the engine stores it."""
    return [result for _, _, result in rows]


async def process(row: str, params: Params, context: None, ask: Any) -> Any:
    """Rendered, asked and read like a score."""
    from madsafe_web.core.llm import templates
    from madsafe_web.core.llm.base import Sampling
    from madsafe_web.core.llm.parse import scores
    from madsafe_web.core.runs.stage import Outcome, Result

    call = templates.render("instruction_safety.zh", {"prompt": row}, Sampling(max_tokens=16))
    found = scores((await ask(params.endpoint, call)).text, 1)
    return Result(found) if found else Result(None, Outcome.UNPARSED)


def ours(url: str, connections: int, count: int, options: str = "{}") -> Callable[[], int]:
    """A run of the real engine; made, queued and cut into chunks before the clock runs. Gives the failed rows."""
    from madsafe_web.core.llm.endpoints import endpoint_declare
    from madsafe_web.core.models import Generation
    from madsafe_web.core.runs import service, stages
    from madsafe_web.core.runs.stage import RowStage
    from madsafe_web.core.runs.worker import work_on

    here = "tests.performance.engine_parts"
    points = {name: f"{here}:{name}" for name in ("plan", "fetch", "write")}
    stage = RowStage(name="measured", params=Params, process=process, **points)
    stages.stages = lambda: {"measured": stage}  # type: ignore[assignment]
    facts = {"backend": "openai_compatible", "base_url": url, "model": "m", "concurrency": connections}
    endpoint_declare("stub", {**facts, "options": json.loads(options)})
    run = service.run_create(stage_name="measured", values={"rows": count})
    assert service.run_start(run)

    def work() -> int:
        done = work_on(run.pk)
        assert done.state == "done", done.error
        assert (Generation.objects.count(), done.rows.count()) == (count, count)
        return service.counts(done)["failed"]

    return work


def peak_mb() -> float:
    """The most memory this process ever held: getrusage would count that of the one it was forked from."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


def measured(work: Callable[[], int], count: int) -> dict[str, float]:
    held, used, began = peak_mb(), resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    failed = work()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return {"rate": count / seconds, "cpu_ms": 1000 * cpu / count, "rss_mb": peak_mb() - held, "failed": failed}


def main(part: str, *arguments: str) -> None:
    if part == "stub":
        asyncio.run(stub(float(arguments[0]), *map(int, arguments[1:])))
        return
    url, connections, count = arguments[0], int(arguments[1]), int(arguments[2])
    if part == "ours":
        import django

        django.setup()
        work = ours(url, connections, count, *arguments[3:])
    else:
        client: Callable[[str, int, int], Awaitable[None]] = {"bare": bare, "openai": openai}[part]

        def work() -> int:
            asyncio.run(client(url, connections, count))  # type: ignore[arg-type]
            return 0

    print(json.dumps(measured(work, count)))


if __name__ == "__main__":
    main(*sys.argv[1:])
