"""A row function that also notes what it asked and what came back: for dry runs, which show it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

from madsafe_web.core.llm.base import Call, CallError, Likelihood, Reply
from madsafe_web.core.runs.stage import Ask, Result

T = TypeVar("T")


@dataclass(slots=True)
class Asked:
    """One question to a model; `seconds` from asking to the answer, `error` instead of an answer.

    None seconds are part of those of the fallback's answer, which comes next.
    """

    endpoint: str
    messages: list[tuple[str, str]]
    reply: Reply = field(default_factory=lambda: Reply(""))
    seconds: float | None = 0.0
    error: str = ""


class Noting:
    """Asks as the engine does and keeps what was said."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.asked: list[Asked] = []

    async def __call__(self, endpoint: str, call: Call) -> Reply:
        one = self._note(endpoint, [(message.role, message.content) for message in call.messages])
        reply = await _timed(one, self._ask(endpoint, call))
        for (_, key), (name, _) in pairwise(reply.way):  # of a refusal, of whom was asked instead
            one.reply, seconds, one.seconds = Reply("", "content_filter", key=key), one.seconds, None
            one = self._note(name, one.messages)
            one.seconds = seconds
        one.reply = reply
        return reply

    async def likelihood(self, endpoint: str, text: str) -> Likelihood | None:
        one = self._note(endpoint, [("text", text)])
        found = await _timed(one, self._ask.likelihood(endpoint, text))
        one.reply = Reply(f"nll {found.nll:.4f}" if found else "", prompt_tokens=found.tokens if found else 0)
        return found

    async def choose(self, endpoint: str, prompt: str, options: Sequence[str]) -> list[float]:
        one = self._note(endpoint, [("text", prompt)])
        found = await _timed(one, self._ask.choose(endpoint, prompt, options))
        one.reply = Reply(", ".join(f"{option} {value:.3f}" for option, value in zip(options, found, strict=True)))
        return found

    def _note(self, endpoint: str, messages: list[tuple[str, str]]) -> Asked:
        self.asked.append(Asked(endpoint, messages))
        return self.asked[-1]


async def _timed(one: Asked, answer: Awaitable[T]) -> T:
    began = time.monotonic()
    try:
        return await answer
    except CallError as error:
        one.error = f"{error.kind}: {error}"
        raise
    finally:
        one.seconds = time.monotonic() - began


class Notes:
    """What was asked for each row, by the row itself; rows must stay alive as long as this does."""

    def __init__(self, process: Callable[[Any, Any, Any, Ask], Awaitable[Result]]) -> None:
        self._process = process
        self._of: dict[int, list[Asked]] = {}

    async def process(self, row: Any, params: Any, context: Any, ask: Ask) -> Result:
        """The stage's own row function, with its questions noted."""
        noting = Noting(ask)
        self._of[id(row)] = noting.asked
        return await self._process(row, params, context, noting)

    def of(self, row: Any) -> list[Asked]:
        """What was asked for a row, in order."""
        return self._of.get(id(row), [])
