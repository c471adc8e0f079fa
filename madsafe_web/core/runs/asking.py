"""How the row function of one row asks: past a provider's refusal, and once more where a stored reply gave nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from madsafe_web.core.llm.base import Call, CallError, Likelihood, Reply
from madsafe_web.core.runs.stage import FAILURES, Outcome, Result
from madsafe_web.core.runs.trails import READABLE, Again, Trail

if TYPE_CHECKING:
    from madsafe_web.core.runs.rows import RowEngine

SAMPLES = 1_000_000  # a row asked anew takes samples of calls from so far behind those that it took before
# Why there was nothing to read in a reply, by its finish; an outcome and error class of their own.
NOTHING_TO_READ = {
    "content_filter": Result(None, Outcome.PROVIDER_REFUSED, "The provider's content filter refused."),
    "thinking": Result(
        None, Outcome.TRUNCATED, "Thinking used up max_tokens, so that no answer came.", "thinking_used_up"
    ),
}
NEEDS_A_CALL = Result(None, Outcome.UNPARSED, "What is stored was read, but the row needs another call. Retry it.")


class NotStored(CallError):
    """The reply is not stored, and no call may be made."""

    def __init__(self) -> None:
        super().__init__("not_stored", "The reply is not stored.")


class Asking:
    """What the row function of one row asks through (see `Ask`); knows why its last reply held nothing to read.

    What a provider refuses is asked of the endpoint's fallback. `taken_back` is what is known of a row that is worked
    on once more: its stored replies are read first, and it is asked anew where they give nothing.
    """

    __slots__ = ("_again", "_answered_by", "_engine", "_key", "_nothing", "_refused_by", "_taken_back")

    def __init__(self, engine: RowEngine, taken_back: Again | None = None) -> None:
        self._engine = engine
        self._nothing: Result | None = None
        self._key = self._refused_by = self._answered_by = ""
        self._taken_back, self._again = taken_back, taken_back.asked if taken_back else 0

    async def __call__(self, endpoint: str, call: Call) -> Reply:
        reply = await self._asked(endpoint, call)
        if reply.finish == "content_filter":
            reply = await self._past(endpoint, call, reply)
        self._key = reply.key
        self._nothing = NOTHING_TO_READ.get(reply.finish)
        return reply

    async def _asked(self, endpoint: str, call: Call) -> Reply:
        if self._taken_back is None:
            return await self._engine.reply(endpoint, call)
        if self._again:
            call = _sampled(call, self._again)
        return await self._engine.reply(endpoint, call, only_read=self._taken_back.only_read)

    async def _past(self, endpoint: str, call: Call, reply: Reply) -> Reply:
        """The reply of the first fallback that does not refuse, else the last refusal."""
        way = {endpoint: reply.key}
        self._refused_by = self._refused_by or endpoint
        while not call.itself and reply.finish == "content_filter":
            endpoint = self._engine.endpoints[endpoint].fallback
            if not endpoint or endpoint in way:
                break
            reply = await self._asked(endpoint, call)
            way[endpoint] = reply.key
        if reply.finish != "content_filter":
            self._answered_by = endpoint
        return replace(reply, way=tuple(way.items())) if len(way) > 1 else reply

    def ask_anew(self, result: Result) -> bool:
        """Whether the row was taken back and what is stored gave nothing: from now on it is asked once more."""
        held = self._taken_back
        if not held or held.only_read or self._again > held.asked or result.outcome not in READABLE:
            return False
        self._again, self._key, self._refused_by, self._answered_by = self._again + 1, "", "", ""
        return True

    def trail(self, result: Result) -> Trail | None:
        """What is to be kept of the row beside how it ended; None for most."""
        failed = result.outcome in FAILURES
        if not (self._refused_by or self._taken_back or (failed and self._key)):
            return None
        answered = "" if result.outcome == Outcome.PROVIDER_REFUSED else self._answered_by
        former = self._taken_back.reply if self._taken_back else ""  # the last there is, where no new one came
        return Trail(self._key or former if failed else "", self._refused_by, answered, self._again)

    async def likelihood(self, endpoint: str, text: str) -> Likelihood | None:
        return await self._engine.likelihood(endpoint, text)

    async def choose(self, endpoint: str, prompt: str, options: Sequence[str]) -> list[float]:
        return await self._engine.choose(endpoint, prompt, options)

    def explained(self, result: Result) -> Result:
        """The result, or the true reason where the stage only saw that it could read nothing."""
        if self._nothing and result.outcome in (Outcome.UNPARSED, Outcome.TRUNCATED):
            return self._nothing
        return result


def _sampled(call: Call, again: int) -> Call:
    """The call as it is asked anew; its seed moves on too, since with the same one a server may well say the same."""
    seed = None if call.sampling.seed is None else call.sampling.seed + again
    return replace(call, sample=call.sample + again * SAMPLES, sampling=replace(call.sampling, seed=seed))
