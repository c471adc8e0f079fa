"""The rows of a run: asked many at once in one event loop, handed over to the one thread that writes.

The loop lives in a thread of its own as long as a worker stays with a run, so that clients and loaded models are made
once. Everything it produces goes through one bounded queue to the writing thread, which groups it into transactions:
replies first (raw, before anything was read out of them), then the results of the rows.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, cast

from madsafe_web.core.llm.base import Backend, Call, CallError, EndpointDown, Finish, Likelihood, Reply, Scorer
from madsafe_web.core.llm.endpoints import backend_for, call_key, endpoint_get
from madsafe_web.core.models import Endpoint, Generation
from madsafe_web.core.runs.budget import Budget
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.stage import Outcome, Result, RowStage

GROUP_ROWS = 500  # rows in one transaction, at most
GROUP_WAIT_S = 0.05  # how long a group waits for more rows after its first
IDLE_WAIT_S = 1.0  # how long nothing may come before an empty group is given
LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Generated:
    """A reply to be stored."""

    endpoint: Endpoint
    call: Call
    reply: Reply


@dataclass(frozen=True, slots=True)
class Wanted:
    """A reply that may be in the cache; `found` is answered by the writing thread."""

    key: str
    found: asyncio.Future[Reply | None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A row with its result."""

    key: str
    row: Any
    result: Result


@dataclass(frozen=True, slots=True)
class Ended:
    """The last thing a chunk puts in the queue; with the error that ended it, if one did."""

    error: BaseException | None


Event = Generated | Wanted | Finished | Ended


class RowEngine:
    """Runs the rows of one run. Enter it once per worker and run; call `groups` for each chunk."""

    def __init__(self, stage: RowStage, params: Any, context: Any, endpoints: Sequence[str]) -> None:
        self.stage, self.params, self.context = stage, params, context
        self.endpoints = {name: endpoint_get(name) for name in endpoints}
        self.backends: dict[str, Backend] = {name: backend_for(row) for name, row in self.endpoints.items()}
        self.concurrency = max((row.concurrency for row in self.endpoints.values()), default=64)
        self.events: queue.Queue[Event] = queue.Queue(maxsize=4 * GROUP_ROWS)
        self.unwritten: list[Generated] = []  # replies that came in while the rows were being stopped
        self.budget: Budget | None = None  # of the run, where it has one
        self.stop = threading.Event()
        self.places = {name: asyncio.Semaphore(row.concurrency) for name, row in self.endpoints.items()}
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="rows", daemon=True)

    @property
    def offline_rules(self) -> bool:
        marked = any(row.options.get("offline_rules") for row in self.endpoints.values())
        return marked or any(backend.offline_rules for backend in self.backends.values())

    def __enter__(self) -> RowEngine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _close(self) -> None:
        for backend in self.backends.values():
            await backend.close()

    def groups(self, rows: Sequence[tuple[str, Any]]) -> Generator[tuple[list[Generated], list[Finished]], None, None]:
        """Replies and results of the rows, in groups to be written in one transaction each; now and then an empty one.

        Raises what ended the rows early: EndpointDown, or any error of the stage's own code.
        """
        self.stop.clear()
        future = asyncio.run_coroutine_threadsafe(self._all(rows), self.loop)
        try:
            yield from self._collect()
        finally:
            self.stop.set()
            self._drain(future)

    def _collect(self) -> Iterator[tuple[list[Generated], list[Finished]]]:
        ended: list[Ended] = []
        while not ended:
            events = list(self._group())
            self._look_up([event for event in events if isinstance(event, Wanted)])
            generated = [event for event in events if isinstance(event, Generated)]
            finished = [event for event in events if isinstance(event, Finished)]
            yield generated, finished
            ended = [event for event in events if isinstance(event, Ended)]
        if ended[0].error:
            raise ended[0].error

    def _group(self) -> Iterator[Event]:
        """The next events, at most GROUP_ROWS; none after a second without any, so that a pause is noticed."""
        try:
            yield self.events.get(timeout=IDLE_WAIT_S)
            closes = time.monotonic() + GROUP_WAIT_S
            for _ in range(GROUP_ROWS - 1):
                yield self.events.get(timeout=max(0.0, closes - time.monotonic()))
        except queue.Empty:
            return

    def _look_up(self, wanted: list[Wanted]) -> None:
        stored = Generation.objects.in_bulk([want.key for want in wanted], field_name="call_key") if wanted else {}
        for want in wanted:
            hit = stored.get(want.key)
            reply = Reply(hit.text, _finish(hit.finish), hit.reasoning, key=want.key) if hit else None
            self.loop.call_soon_threadsafe(_answer, want.found, reply)

    def _drain(self, future: Future[None]) -> None:
        """Empty the queue until the rows in flight have ended, so that none of them waits for a place in it."""
        while not future.done():
            try:
                event = self.events.get(timeout=GROUP_WAIT_S)
            except queue.Empty:
                continue
            self._set_aside(event)
        while not self.events.empty():
            self._set_aside(self.events.get_nowait())

    def _set_aside(self, event: Event) -> None:
        """Keep a reply that was paid for; its row is asked again later and finds it in the cache."""
        if isinstance(event, Generated):
            self.unwritten.append(event)
        elif isinstance(event, Wanted):
            self.loop.call_soon_threadsafe(_answer, event.found, None)

    async def _all(self, rows: Sequence[tuple[str, Any]]) -> None:
        remaining = iter(rows)
        workers = [asyncio.create_task(self._work(remaining)) for _ in range(min(self.concurrency, len(rows)))]
        error: BaseException | None = None
        for outcome in await asyncio.gather(*workers, return_exceptions=True):
            error = error or (outcome if isinstance(outcome, BaseException) else None)
        await asyncio.to_thread(self.events.put, Ended(error))

    async def _work(self, remaining: Iterator[tuple[str, Any]]) -> None:
        for key, row in remaining:
            if self.stop.is_set():
                return
            try:
                result = await self.stage.process(row, self.params, self.context, self)
            except EndpointDown:
                self.stop.set()
                raise
            except CallError as error:
                result = Result(None, Outcome.ERROR, f"{error.kind}: {error}"[:LONGEST_MESSAGE])
            except BaseException:
                self.stop.set()
                raise
            await self._put(Finished(key, row, result))

    async def _put(self, event: Event) -> None:
        """Hand over to the writing thread; a full queue holds the row back, not the loop."""
        while True:
            try:
                return self.events.put_nowait(event)
            except queue.Full:
                await asyncio.sleep(GROUP_WAIT_S / 10)

    async def __call__(self, endpoint: str, call: Call) -> Reply:
        backend, row = self._backend(endpoint), self.endpoints[endpoint]
        key = call_key(row, call)
        if not backend.offline_rules:  # the rules cost less than the look-up
            found = self.loop.create_future()
            await self._put(Wanted(key, found))
            cached: Reply | None = await found
            if cached is not None:
                return cached
        async with self.places[endpoint]:
            given = await (self.budget.spend(endpoint, call, backend) if self.budget else backend.complete(call))
        reply = replace(given, text=storable(given.text), reasoning=storable(given.reasoning), key=key)
        await self._put(Generated(row, call, reply))
        return reply

    async def likelihood(self, endpoint: str, text: str) -> Likelihood | None:
        async with self.places[endpoint]:
            return await self._scorer(endpoint).likelihood(text)

    async def choose(self, endpoint: str, prompt: str, options: Sequence[str]) -> list[float]:
        async with self.places[endpoint]:
            return await self._scorer(endpoint).choose(prompt, options)

    def _backend(self, endpoint: str) -> Backend:
        if endpoint not in self.backends:
            raise StageError(f"'{self.stage.name}' asked endpoint '{endpoint}', which its parameters do not name.")
        return self.backends[endpoint]

    def _scorer(self, endpoint: str) -> Scorer:
        backend = self._backend(endpoint)
        if not isinstance(backend, Scorer):
            kind = self.endpoints[endpoint].backend
            raise StageError(
                f"Endpoint '{endpoint}' ({kind}) gives no token probabilities, which '{self.stage.name}' needs. "
                "Name an endpoint with the backend 'transformers'."
            )
        return backend


def storable(text: str) -> str:
    """The text without what no database takes: NUL, and halves of characters that a model broke off."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _finish(word: str) -> Finish:
    return cast(Finish, word)  # stored from a Reply


def _answer(future: asyncio.Future[Reply | None], reply: Reply | None) -> None:
    if not future.done():
        future.set_result(reply)
