"""The rows of a run: asked many at once in one event loop, handed over to the one thread that writes.

The loop lives in a thread of its own as long as a worker stays with a run, so that clients and loaded models are made
once. Its tasks pull rows that the writing thread gives it, across the borders of chunks, so that the endpoint never
waits for the last row of one. What they produce lies in plain lists, which the writing thread empties some twenty times
a second. Three times as many rows are in hand as the endpoint takes calls: while one third is being asked, the others
are looked up in the cache.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar, cast

from madsafe_web.core import bulk
from madsafe_web.core.llm.base import (
    Backend,
    Call,
    CallError,
    EndpointDown,
    Finish,
    Likelihood,
    Patient,
    Reply,
    Scorer,
    Shared,
)
from madsafe_web.core.llm.endpoints import CallKeys, backend_for, with_fallbacks
from madsafe_web.core.models import Endpoint, Generation
from madsafe_web.core.runs.asking import NEEDS_A_CALL, Asking, NotStored
from madsafe_web.core.runs.budget import Budget
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.stage import Outcome, Result, RowStage
from madsafe_web.core.runs.trails import Again, Trail
from madsafe_web.core.storable import storable

Event = TypeVar("Event")
GROUP_ROWS = 1000  # a group of so many rows is written at once
GROUP_WAIT_S = 0.05  # how long a group waits for more rows after its first
GATHER_S = 0.01  # how long look-ups wait for others
IDLE_WAIT_S = 1.0  # how long nothing may come before an empty group is given
MOST_WAITING = 4 * GROUP_ROWS  # rows that wait to be written; beyond, no more are begun
AHEAD = 3  # rows in hand for each call that an endpoint takes
LONGEST_MESSAGE = 500
NONE_TAKEN_BACK: Mapping[str, Again] = MappingProxyType({})
REPLY = ("call_key", "text", "finish", "reasoning")


@dataclass(frozen=True, slots=True)
class Generated:
    """A reply to be stored."""

    endpoint: Endpoint
    call: Call
    reply: Reply


@dataclass(frozen=True, slots=True)
class Finished:
    """A row of a chunk with its result."""

    chunk: int
    key: str
    row: Any
    result: Result
    trail: Trail | None = None


@dataclass(slots=True)
class Group:
    """What came since the last group, to be written in one transaction."""

    generated: list[Generated] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.generated or self.finished)


Answer = tuple["asyncio.Future[Reply | None]", Reply | None]
Wanted = tuple[str, "asyncio.Future[Reply | None]"]


class Halted(BaseException):
    """The row is not to be asked any more; whoever works on the run next begins it anew."""


class RowEngine:
    """Runs the rows of one run. Enter it once per worker and run; `give` it rows and `take` what became of them."""

    def __init__(self, stage: RowStage, params: Any, context: Any, endpoints: Sequence[str]) -> None:
        self.stage, self.params, self.context = stage, params, context
        self.endpoints = with_fallbacks(endpoints)
        self.keys = {name: CallKeys(row) for name, row in self.endpoints.items()}
        self.backends: dict[str, Backend] = {name: backend_for(row) for name, row in self.endpoints.items()}
        self.width = AHEAD * max((self.endpoints[name].concurrency for name in endpoints), default=64)
        self.apart = ""  # in the keys of replies, where those of other runs must not answer
        self.budget: Budget | None = None  # of the run, where it has one
        self._refusals = 0
        self.places = {name: asyncio.Semaphore(row.concurrency) for name, row in self.endpoints.items()}
        self.error: BaseException | None = None  # what ended the rows early
        self.stop = False
        self.loop = asyncio.new_event_loop()
        self._rows: deque[tuple[int, str, Any, Again | None]] = deque()
        self._arrived = asyncio.Event()
        # The loop appends, the writing thread empties from the front; each is one step of the interpreter.
        self._generated: list[Generated] = []
        self._finished: list[Finished] = []
        self._wanted: list[Wanted] = []
        self._news = threading.Event()
        self._thread = threading.Thread(target=self.loop.run_forever, name="rows", daemon=True)

    @property
    def offline_rules(self) -> bool:
        marked = any(row.options.get("offline_rules") for row in self.endpoints.values())
        return marked or any(backend.offline_rules for backend in self.backends.values())

    # The side of the writing thread

    def __enter__(self) -> RowEngine:
        self._thread.start()
        self._ended: Future[None] = asyncio.run_coroutine_threadsafe(self._all(), self.loop)
        return self

    def __exit__(self, *_: object) -> None:
        self.halt()
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    @property
    def hungry(self) -> bool:
        """Whether the rows not yet begun may run out before the next group."""
        return len(self._rows) < 2 * self.width

    def give(self, chunk: int, rows: Iterable[tuple[str, Any]], again: Mapping[str, Again] = NONE_TAKEN_BACK) -> None:
        """More rows to work on; `again` are those of them that were taken back, by their keys."""
        self._rows.extend((chunk, key, row, again.get(key)) for key, row in rows)
        self.loop.call_soon_threadsafe(self._arrived.set)

    def take(self) -> Group:
        """The next group to be written; an empty one after a second without any, so that a pause is noticed.

        Answers look-ups in the cache meanwhile. Look at `error` after it.
        """
        due = time.monotonic() + IDLE_WAIT_S
        begun = False
        while not self.error:
            left = due - time.monotonic()
            if left <= 0 or len(self._finished) >= GROUP_ROWS or not self._news.wait(left):
                break
            if not begun and (self._generated or self._finished):
                begun, due = True, min(due, time.monotonic() + GROUP_WAIT_S)
            time.sleep(GATHER_S)
            self._news.clear()
            self._look_up()
        return self._group()

    def halt(self) -> Group:
        """Begin no more calls, wait for those in flight, and give what they brought."""
        self.stop = True
        if not self._ended.done():
            self.loop.call_soon_threadsafe(self._hurry)
        while not self._ended.done():
            self._news.wait(GROUP_WAIT_S)
            self._news.clear()
            self._answer([(future, None) for _, future in _emptied(self._wanted)])
        return self._group()

    def _group(self) -> Group:
        finished = _emptied(self._finished)  # first, so that no row comes without its replies
        return Group(_emptied(self._generated), finished)

    def _look_up(self) -> None:
        asked = _emptied(self._wanted)
        if not asked:
            return
        keys = {key for key, _ in asked}
        try:
            hits = {row[0]: row for row in bulk.found(Generation, REPLY, "call_key", keys)}
        except BaseException:
            self._wanted[:0] = asked  # `halt` answers them, else their rows would never end
            raise
        self._answer([(future, _cached(hits.get(key))) for key, future in asked])

    def _answer(self, answers: list[Answer]) -> None:
        if answers:
            self.loop.call_soon_threadsafe(_settle, answers)

    def share(self, endpoint: str, workers: int) -> None:
        """Keep to one part of so many of the endpoint's limits, where it has any. From any thread."""
        backend = self.backends[endpoint]
        if isinstance(backend, Shared):
            self.loop.call_soon_threadsafe(backend.share, workers)

    def refusals(self) -> int:
        """How often servers said "too many requests" since the last look."""
        said = sum(backend.refusals for backend in self.backends.values() if isinstance(backend, Patient))
        new, self._refusals = said - self._refusals, said
        return new

    # The side of the loop

    async def _all(self) -> None:
        await asyncio.gather(*(asyncio.create_task(self._work()) for _ in range(self.width)))

    def _hurry(self) -> None:
        """Let go of what only waits: for rows, or for its turn."""
        self._arrived.set()
        if self.budget:
            self.budget.wake()
        for backend in self.backends.values():
            if isinstance(backend, Patient):
                backend.give_up_waiting()

    async def _close(self) -> None:
        for backend in self.backends.values():
            await backend.close()

    async def _work(self) -> None:
        try:
            while not self.stop:
                if not self._rows:
                    self._arrived.clear()
                    await self._arrived.wait()
                elif len(self._finished) >= MOST_WAITING:
                    await asyncio.sleep(GATHER_S)
                else:
                    await self._row(*self._rows.popleft())
        except Halted:
            return
        except BaseException as error:
            if self.stop and isinstance(error, asyncio.CancelledError):
                return
            self.error = self.error or error
            self.stop = True
            self._arrived.set()
            self._news.set()

    async def _row(self, chunk: int, key: str, row: Any, again: Again | None) -> None:
        asking = Asking(self, again)
        result = await self._processed(row, asking)
        if asking.ask_anew(result):
            result = await self._processed(row, asking)
        self._finished.append(Finished(chunk, key, row, result, asking.trail(result)))
        self._tell()

    async def _processed(self, row: Any, asking: Asking) -> Result:
        try:
            return asking.explained(await self.stage.process(row, self.params, self.context, asking))
        except EndpointDown:
            raise
        except NotStored:
            return NEEDS_A_CALL
        except CallError as error:
            return Result(None, Outcome.ERROR, storable(f"{error.kind}: {error}")[:LONGEST_MESSAGE], error.kind)

    async def reply(self, endpoint: str, call: Call, *, only_read: bool = False) -> Reply:
        """The stored reply to the call, or a new one where not only stored ones may be read.

        Raises CallError, NotStored among them, EndpointDown, Halted.
        """
        backend, keys = self._backend(endpoint), self.keys[endpoint]
        key = keys.key(call, self.apart)
        if not backend.offline_rules:  # the rules cost less than the look-up
            cached = await self._look_for(key)
            if cached is None and not self.apart and (former := keys.former(call)):
                cached = await self._look_for(former)
            if cached is not None:
                return cached
            if only_read:
                raise NotStored
        async with self.places[endpoint]:
            self._go_on()
            if self.budget:
                given = await self.budget.spend(endpoint, call, backend, self._go_on)
            else:
                given = await backend.complete(call)
        tokens = given.prompt_tokens, given.completion_tokens
        reply = Reply(storable(given.text), given.finish, storable(given.reasoning), *tokens, key)
        self._generated.append(Generated(self.endpoints[endpoint], call, reply))
        self._tell()
        return reply

    def _look_for(self, key: str) -> asyncio.Future[Reply | None]:
        found: asyncio.Future[Reply | None] = self.loop.create_future()
        self._wanted.append((key, found))
        self._tell()
        return found

    def _tell(self) -> None:
        if not self._news.is_set():
            self._news.set()

    def _go_on(self) -> None:
        if self.stop:
            raise Halted

    async def likelihood(self, endpoint: str, text: str) -> Likelihood | None:
        async with self.places[endpoint]:
            self._go_on()
            return await self._scorer(endpoint).likelihood(text)

    async def choose(self, endpoint: str, prompt: str, options: Sequence[str]) -> list[float]:
        async with self.places[endpoint]:
            self._go_on()
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


def _emptied(events: list[Event]) -> list[Event]:
    """What is in the list by now, taken out of it; what is appended meanwhile stays."""
    count = len(events)
    taken = events[:count]
    del events[:count]
    return taken


def _cached(row: tuple[Any, ...] | None) -> Reply | None:
    """The reply that a row of Generation holds."""
    if row is None:
        return None
    key, text, finish, reasoning = row
    return Reply(text, cast(Finish, finish), reasoning, key=key)  # stored from a Reply


def _settle(answers: list[Answer]) -> None:
    for future, reply in answers:
        if not future.done():
            future.set_result(reply)
