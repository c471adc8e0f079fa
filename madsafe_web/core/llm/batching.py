"""Gathers callers that await at the same time into batches for one worker thread: any work, no torch in here.

Callers await `submit`; whatever is waiting when the thread is free makes a round. A round is prepared together, sorted
by length and cut into batches of at most `budget` padded units, so that short rows do not pay for long ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Limits:
    """`budget` is rows times the longest row of a batch, in the units of the cost function; `rows` bounds a batch."""

    budget: int
    rows: int = 1024


def plan(costs: Sequence[int], limits: Limits) -> list[list[int]]:
    """Cut positions 0..n-1 into batches, shortest first, none over the limits; one over-long row stands alone.

    Order of equal costs is kept. O(n log n).
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(costs)), key=lambda at: costs[at]):
        last = batches[-1] if batches else []
        if last and len(last) < limits.rows and (len(last) + 1) * costs[index] <= limits.budget:
            last.append(index)
        else:
            batches.append([index])
    return batches


class MicroBatcher(Generic[Item, Prepared, Value]):
    """Runs `prepare` on each round and `run` on each batch, both in `executor`, which must have one thread.

    prepare  items -> prepared values, or an exception in the place of one that is no use
    cost     length of one prepared value, >= 0
    run      prepared values of one batch -> values, or an exception in the place of one that failed
    halve_on errors that a smaller batch may avoid (out of memory): the batch is halved until it is one row
    """

    def __init__(
        self,
        prepare: Callable[[list[Item]], Sequence[Prepared | Exception]],
        cost: Callable[[Prepared], int],
        run: Callable[[list[Prepared]], Sequence[Value | Exception]],
        limits: Callable[[], Limits],
        executor: Executor,
        halve_on: tuple[type[Exception], ...] = (MemoryError,),
    ) -> None:
        self._prepare, self._cost, self._run = prepare, cost, run
        self._limits, self._executor, self._halve_on = limits, executor, halve_on
        self._waiting: list[tuple[Item, asyncio.Future[Value]]] = []
        self._work: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Value:
        """The value of one item. Raises what `prepare` or `run` gave or raised for it."""
        future: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._rounds())
        return await future

    async def close(self) -> None:
        """Let what was submitted end."""
        if self._work is not None:
            await self._work

    async def _rounds(self) -> None:
        while True:
            # Two turns of the loop: one for callers that just got a value, one for what they ask next.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            entries = [entry for entry in self._waiting if not entry[1].done()]
            self._waiting = []
            if not entries:
                return
            try:
                await self._round(entries)
            except Exception as error:  # handed to the callers of this round, none may wait for ever
                _settle([future for _, future in entries], [error] * len(entries))

    async def _round(self, entries: list[tuple[Item, asyncio.Future[Value]]]) -> None:
        loop = asyncio.get_running_loop()
        prepared = await loop.run_in_executor(self._executor, self._prepare, [item for item, _ in entries])
        ready: list[tuple[Prepared, asyncio.Future[Value]]] = []
        for value, (_, future) in zip(prepared, entries, strict=True):
            if isinstance(value, Exception):
                _settle([future], [value])
            else:
                ready.append((value, future))
        for batch in plan([self._cost(value) for value, _ in ready], self._limits()):
            await self._batch([ready[index] for index in batch])

    async def _batch(self, batch: list[tuple[Prepared, asyncio.Future[Value]]]) -> None:
        batch = [entry for entry in batch if not entry[1].done()]  # a caller that was cancelled costs nothing
        if not batch:
            return
        futures = [future for _, future in batch]
        try:
            values = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._run, [value for value, _ in batch]
            )
        except self._halve_on as error:
            if len(batch) == 1:
                _settle(futures, [error])
                return
            await self._batch(batch[: len(batch) // 2])
            await self._batch(batch[len(batch) // 2 :])
        except Exception as error:  # as above: handed to the callers of this batch
            _settle(futures, [error] * len(futures))
        else:
            _settle(futures, values)


def _settle(futures: Sequence[asyncio.Future[Value]], values: Sequence[Value | Exception]) -> None:
    for future, value in zip(futures, values, strict=True):
        if future.done():
            continue
        if isinstance(value, Exception):
            future.set_exception(value)
        else:
            future.set_result(value)
