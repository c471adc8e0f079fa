"""A model server in a process of its own that counts what it is asked, row by row.

`python -m tests.helpers.counting_stub SECONDS [MOST]` prints its port. It answers each call that many seconds after it
came, with a score and a usage that depend on the number of the row alone. Calls after the first MOST are held back
until somebody POSTs to /open. GET /counts tells what was asked: {"calls": {row: times}, "seconds": from the first call
to the newest answer}.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

ROW = re.compile(r"第(\d+)号")  # as in the prompts of tests.helpers.installation.prompt_file


def score(row: int) -> float:
    """What a row is answered."""
    return row % 101 / 100


def usage(row: int) -> tuple[int, int]:
    """The tokens of prompt and reply that a row is said to take."""
    return 40 + row % 7, 1 + row % 5


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each row was asked, and how long it took from the first call to the newest answer."""

    calls: dict[int, int]
    seconds: float

    @property
    def repeated(self) -> int:
        """Calls beyond the first of each row."""
        return sum(self.calls.values()) - len(self.calls)

    @property
    def used(self) -> tuple[int, int, int]:
        """Calls and tokens of prompts and replies, each row once."""
        tokens = [usage(row) for row in self.calls]
        return len(tokens), sum(prompt for prompt, _ in tokens), sum(reply for _, reply in tokens)


@dataclass(frozen=True, slots=True)
class Stub:
    """A running stub."""

    port: int

    @property
    def url(self) -> str:
        """The base URL for an endpoint."""
        return f"http://127.0.0.1:{self.port}/v1"

    def counts(self) -> Counts:
        """What was asked so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/counts", timeout=60) as answer:
            found = json.load(answer)
        return Counts({int(row): times for row, times in found["calls"].items()}, found["seconds"])

    def open(self) -> None:
        """Let go of the answers that are held back."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/open", method="POST")
        urllib.request.urlopen(asked, timeout=60).close()


@contextmanager
def counting_stub(seconds: float, most: int | None = None) -> Iterator[Stub]:
    """A stub that lives as long as the block; with `most`, it holds the calls after so many back until it is opened."""
    command = [sys.executable, "-m", __name__, str(seconds), *([str(most)] if most is not None else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield Stub(int(server.stdout.readline()))
        finally:
            server.kill()


async def serve(seconds: float, most: float) -> None:
    """The process of the stub; it ends by a kill."""
    calls: Counter[int] = Counter()
    moments: list[float] = []
    gate = asyncio.Event()

    async def complete(request: web.Request) -> web.Response:
        found = ROW.search((await request.json())["messages"][-1]["content"])
        assert found
        row = int(found[1])
        calls[row] += 1
        held = calls.total() > most
        moments[1:] = [time.monotonic()]
        await asyncio.sleep(seconds)
        if held:
            await gate.wait()
        moments[1:] = [time.monotonic()]
        return web.json_response(answer(row))

    async def counts(_request: web.Request) -> web.Response:
        return web.json_response({"calls": calls, "seconds": moments[-1] - moments[0] if moments else 0.0})

    async def let_go(_request: web.Request) -> web.Response:
        gate.set()
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", complete), web.get("/counts", counts), web.post("/open", let_go)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def answer(row: int) -> dict[str, Any]:
    """A completion for a row."""
    prompt, reply = usage(row)
    return {
        "choices": [{"message": {"role": "assistant", "content": f"{score(row)}"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": reply},
    }


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]), float([*sys.argv, "inf"][2])))
