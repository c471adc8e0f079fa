from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from madsafe_web.core.llm.batching import Limits, MicroBatcher, plan


class Recorder:
    """Doubles words and remembers the batches it was given."""

    def __init__(self, largest: int = 1000) -> None:
        self.batches: list[list[str]] = []
        self.largest = largest

    def prepare(self, items: list[str]) -> list[str | Exception]:
        return [ValueError("no words") if item == "" else item for item in items]

    def run(self, batch: list[str]) -> Sequence[str | Exception]:
        if len(batch) > self.largest:
            raise MemoryError
        if "broken" in batch:
            raise RuntimeError("broken batch")
        self.batches.append(batch)
        return [word * 2 for word in batch]


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def batcher(recorder: Recorder, thread: ThreadPoolExecutor, limits: Limits) -> MicroBatcher[str, str, str]:
    return MicroBatcher(recorder.prepare, len, recorder.run, lambda: limits, thread)


async def submit_all(words: list[str], made: MicroBatcher[str, str, str]) -> list[str | BaseException]:
    return await asyncio.gather(*(made.submit(word) for word in words), return_exceptions=True)


def run(words: list[str], recorder: Recorder, thread: ThreadPoolExecutor, limits: Limits) -> list[str | BaseException]:
    async def main() -> list[str | BaseException]:
        return await submit_all(words, batcher(recorder, thread, limits))

    return asyncio.run(main())


def test_a_plan_puts_like_lengths_together_within_the_padded_budget() -> None:
    assert plan([9, 1, 2, 1, 8], Limits(18)) == [[1, 3, 2], [4, 0]]


def test_a_row_over_the_budget_stands_alone() -> None:
    assert plan([3, 500, 4], Limits(10)) == [[0, 2], [1]]


def test_a_plan_keeps_to_the_row_limit() -> None:
    assert [len(batch) for batch in plan([1] * 5, Limits(100, rows=2))] == [2, 2, 1]


def test_every_caller_gets_its_own_value(thread: ThreadPoolExecutor) -> None:
    words = ["ccc", "a", "bb", "a"]
    assert run(words, Recorder(), thread, Limits(100)) == ["cccccc", "aa", "bbbb", "aa"]


def test_callers_that_wait_together_share_batches(thread: ThreadPoolExecutor) -> None:
    recorder = Recorder()
    run(["a"] * 10 + ["bbbb"] * 2, recorder, thread, Limits(10))
    assert recorder.batches == [["a"] * 10, ["bbbb"] * 2]


def test_callers_that_come_while_a_batch_runs_are_served_next(thread: ThreadPoolExecutor) -> None:
    async def main() -> list[str]:
        made = batcher(Recorder(), thread, Limits(10))
        first = await made.submit("a")
        return [first, *await asyncio.gather(made.submit("b"), made.submit(first))]

    assert asyncio.run(main()) == ["aa", "bb", "aaaa"]


def test_one_item_that_cannot_be_prepared_fails_alone(thread: ThreadPoolExecutor) -> None:
    good, bad = run(["a", ""], Recorder(), thread, Limits(10))
    assert good == "aa"
    assert isinstance(bad, ValueError)


def test_a_failing_batch_fails_only_its_callers(thread: ThreadPoolExecutor) -> None:
    bad, good = run(["broken", "a"], Recorder(), thread, Limits(6))
    assert isinstance(bad, RuntimeError)
    assert good == "aa"


def test_a_batch_too_big_for_memory_is_halved_until_it_fits(thread: ThreadPoolExecutor) -> None:
    recorder = Recorder(largest=3)
    assert run(["a"] * 8, recorder, thread, Limits(100)) == ["aa"] * 8
    assert [len(batch) for batch in recorder.batches] == [2, 2, 2, 2]


def test_one_row_too_big_for_memory_raises(thread: ThreadPoolExecutor) -> None:
    (result,) = run(["a"], Recorder(largest=0), thread, Limits(100))
    assert isinstance(result, MemoryError)


def test_a_cancelled_caller_costs_nothing(thread: ThreadPoolExecutor) -> None:
    recorder = Recorder()

    async def main() -> str:
        made = batcher(recorder, thread, Limits(100))
        cancelled = asyncio.create_task(made.submit("x"))
        kept = asyncio.create_task(made.submit("a"))
        await asyncio.sleep(0)
        cancelled.cancel()
        return await kept

    assert asyncio.run(main()) == "aa"
    assert recorder.batches == [["a"]]


def test_callers_do_not_wait_for_ever_when_the_limits_fail(thread: ThreadPoolExecutor) -> None:
    def limits() -> Limits:
        raise RuntimeError("no device")

    async def main() -> str:
        recorder = Recorder()
        made: MicroBatcher[str, str, str] = MicroBatcher(recorder.prepare, len, recorder.run, limits, thread)
        return await made.submit("a")

    with pytest.raises(RuntimeError, match="no device"):
        asyncio.run(main())
