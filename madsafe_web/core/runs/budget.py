"""The budget of a run: calls, tokens, money and time, reserved before a call is sent and settled when it is answered.

A reservation is the most that the call can use, so what is answered never goes over the budget. When the rest is too
small for another call beside those in flight, the call waits for them; when it is too small even without them, the run
ends as over budget. Several workers share a budget by slices of it, which they take in the database (slices.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from madsafe_web.core.llm.base import Backend, Call, Reply
from madsafe_web.core.llm.prices import MILLION, Price
from madsafe_web.core.runs.errors import StageError

WHAT_TO_DO = "What is done is kept. Raise the budget on the page of the run, then resume."
AROUND_MESSAGE = 16  # tokens that a server puts around each message, at most


class PastDeadline(StageError):
    """The run may begin no more calls. The message says so, and what to do."""


class OverBudget(StageError):
    """The run may not use more. The message says which limit, and what to do."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Calls, tokens of prompts and replies together, and millionths of the currency's unit."""

    calls: int = 0
    tokens: int = 0
    cost: int = 0

    def parts(self) -> tuple[int, int, int]:
        """Calls, tokens and cost."""
        return self.calls, self.tokens, self.cost

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.calls + other.calls, self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.calls - other.calls, self.tokens - other.tokens, self.cost - other.cost)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a run may use; None is no limit. `seconds` are those that the run is at work."""

    calls: int | None = None
    tokens: int | None = None
    cost: int | None = None
    seconds: int | None = None

    def shared(self) -> tuple[int | None, int | None, int | None]:
        """Calls, tokens and cost: what each worker takes its part of."""
        return self.calls, self.tokens, self.cost

    def passed(self, amount: Amount) -> str:
        """The name of the first limit that an amount passes, "" for none."""
        pairs = (("calls", amount.calls), ("tokens", amount.tokens), ("cost", amount.cost))
        return next((name for name, used in pairs if _over(used, getattr(self, name))), "")


def _over(used: int, limit: int | None) -> bool:
    return limit is not None and used > limit


def _always() -> None:
    """Nothing ever stops the run."""


class Budget:
    """The budget of a run as one worker keeps it; used inside one event loop.

    `spent` is what the run used so far, `worked` for how many seconds, `clock` tells seconds. `left` are the seconds
    until its deadline, `late` is what is to be said then.
    """

    def __init__(
        self,
        limits: Limits,
        spent: Amount,
        worked: float = 0.0,
        prices: dict[str, Price | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        left: float | None = None,
        late: str = "",
    ) -> None:
        self.limits, self.spent, self.reserved = limits, spent, Amount()
        # How much of it this worker's slice lets it use in all, None where nothing has to be shared; what it used; and
        # the most of a call that waits for a larger slice, with the number of those that wait.
        self.granted: Limits | None = None
        self.own, self.short, self._waiting, self._low = Amount(), Amount(), 0, Amount()
        self._prices, self._clock = prices or {}, clock
        self._ends = clock() + limits.seconds - worked if limits.seconds is not None else None
        self._late_at, self._late = (None if left is None else clock() + left), late
        self._freed = asyncio.Event()

    def refuse_late(self) -> None:
        """Raises OverBudget when the time is spent and PastDeadline behind the deadline, from any thread.

        For work that reserves nothing too.
        """
        if self._late_at is not None and self._clock() >= self._late_at:
            raise PastDeadline(self._late)
        if self._ends is not None and self._clock() >= self._ends:
            raise OverBudget(f"The budget of {self.limits.seconds} seconds is spent. {WHAT_TO_DO}")

    def reserve(self, most: Amount) -> bool:
        """Whether so much is reserved now; else wait until a call in flight ends. Raises OverBudget."""
        self.refuse_late()
        if limit := self.limits.passed(self.spent + most):
            raise OverBudget(self._sentence(limit, most))
        if self.limits.passed(self.spent + self.reserved + most):
            return False
        if self.granted and self.granted.passed(self.own + self.reserved + most):
            self.short = most
            return False
        self.reserved += most
        return True

    def settle(self, reserved: Amount, used: Amount) -> None:
        """The call was answered and used so much."""
        self.spent += used
        self.own += used
        self.release(reserved)

    def release(self, reserved: Amount) -> None:
        """The call ended without an answer: nothing was used."""
        self.reserved -= reserved
        self._freed.set()

    def learn(self, spent: Amount) -> None:
        """What the database says that all workers used; what this one has not written yet is not in it."""
        now = self.spent
        self.spent = Amount(max(now.calls, spent.calls), max(now.tokens, spent.tokens), max(now.cost, spent.cost))

    async def spend(self, endpoint: str, call: Call, backend: Backend, go_on: Callable[[], None] = _always) -> Reply:
        """The answer of the backend, within the budget; without a word on its tokens it counts as the most it can use.

        Raises OverBudget, what the backend raises, and what `go_on` raises: it is asked after each wait.
        """
        price = self._prices.get(endpoint)
        reserved = most_of(call, price)
        if not self.reserve(reserved):
            await self._wait_for(reserved, go_on)
        try:
            reply = await backend.complete(call)
        except BaseException:
            self.release(reserved)
            raise
        if not (reply.prompt_tokens or reply.completion_tokens or backend.offline_rules):
            prompt, completion = _most_tokens(call)  # the server does not say what it used
            reply = replace(reply, prompt_tokens=prompt, completion_tokens=completion)
        cost = price.cost(reply.prompt_tokens, reply.completion_tokens) if price else 0
        self.settle(reserved, Amount(1, reply.prompt_tokens + reply.completion_tokens, cost))
        return reply

    async def _wait_for(self, reserved: Amount, go_on: Callable[[], None]) -> None:
        self._waiting += 1
        try:
            while True:
                self._freed.clear()
                await self._freed.wait()
                go_on()
                if self.reserve(reserved):
                    return
        finally:
            self._waiting -= 1

    def share(self) -> None:
        """From now on only what is granted may be used. Call it before the first call."""
        if any(one is not None for one in self.limits.shared()):
            self._grant(Amount())

    def running_short(self) -> bool:
        """Whether calls wait for a larger slice, or half of what was granted last is gone. From any thread."""
        granted = self.granted
        return granted is not None and bool(self.short.calls or granted.passed(self.own + self.reserved + self._low))

    async def stand_still(self) -> tuple[Amount, Amount, Amount]:
        """Reserve nothing more until a slice is granted: what is in use, what all that wait need, and what one does."""
        in_use, least, self.short = self.own + self.reserved, self.short, Amount()
        self._grant(in_use)
        return in_use, Amount(*(one * self._waiting for one in least.parts())), least

    def grant(self, in_all: Amount, spent: Amount) -> None:
        """This worker may use so much in all, and the database says what all workers used. Called in the loop."""
        self._grant(in_all)
        self.learn(spent)
        self._freed.set()

    def _grant(self, in_all: Amount) -> None:
        pairs = zip(self.limits.shared(), in_all.parts(), strict=True)
        self.granted = Limits(*(None if limit is None else one for limit, one in pairs))
        new = in_all - self.own - self.reserved
        self._low = Amount(*(max(1, one // 2) for one in new.parts()))

    def wake(self) -> None:
        """Let the calls that wait look again, as the run stops. Called in the loop."""
        self._freed.set()

    def _sentence(self, limit: str, most: Amount) -> str:
        shown = MILLION if limit == "cost" else 1
        used, next_, allowed = (getattr(one, limit) / shown for one in (self.spent, most, self.limits))
        what = "money" if limit == "cost" else limit
        return (
            f"The budget of {what} is spent: {used:,.10g} of {allowed:,.10g} are used, "
            f"and the next call may take {next_:,.10g}. {WHAT_TO_DO}"
        )


def most_of(call: Call, price: Price | None) -> Amount:
    """The most that a call can use."""
    prompt, completion = _most_tokens(call)
    return Amount(1, prompt + completion, price.cost(prompt, completion) if price else 0)


def _most_tokens(call: Call) -> tuple[int, int]:
    """The most tokens of prompt and reply: one is at least one byte of a message."""
    prompt = sum(len(message.content.encode()) + AROUND_MESSAGE for message in call.messages)
    return prompt, call.sampling.max_tokens
