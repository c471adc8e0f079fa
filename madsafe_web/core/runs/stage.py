"""What a stage file declares. Plain values and pure functions; the engine does all database work.

Names like `"annotation.selectors:labelled_prompts"` point to the database side (readers, writers), so that a stage
file itself imports no Django and its row functions can be tested with plain values.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from madsafe_web.core.llm.base import Call, Likelihood, Reply


class Outcome(StrEnum):
    """How one row ended. Only these words are stored in RunRow.outcome."""

    DONE = "done"
    CACHED = "cached"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    UNPARSED = "unparsed"
    TRUNCATED = "truncated"
    PROVIDER_REFUSED = "provider_refused"
    ERROR = "error"


# How outcomes add up on a run: read = kept + duplicate + rejected + failed.
COUNTED_AS = {
    Outcome.DONE: "kept",
    Outcome.CACHED: "kept",
    Outcome.DUPLICATE: "duplicate",
    Outcome.REJECTED: "rejected",
    Outcome.SKIPPED: "rejected",
    Outcome.UNPARSED: "failed",
    Outcome.TRUNCATED: "failed",
    Outcome.PROVIDER_REFUSED: "failed",
    Outcome.ERROR: "failed",
}
FAILURES = tuple(outcome.value for outcome, count in COUNTED_AS.items() if count == "failed")


@dataclass(frozen=True, slots=True)
class Result:
    """What a row function made of one row. `value` is None unless something is to be written."""

    value: Any = None  # each stage has its own frozen dataclass; the writer named beside it knows it
    outcome: Outcome = Outcome.DONE
    message: str = ""
    kind: str = ""  # the error class, where the outcome alone does not say it


class Ask(Protocol):
    """How a row function reaches a model.

    Every reply is handed over raw to be stored before the row function sees it, and written in the transaction of what
    is read out of it, or an earlier one.
    """

    async def __call__(self, endpoint: str, call: Call) -> Reply: ...

    async def likelihood(self, endpoint: str, text: str) -> Likelihood | None: ...

    async def choose(self, endpoint: str, prompt: str, options: Sequence[str]) -> list[float]: ...


@dataclass(frozen=True, slots=True)
class RowStage:
    """A stage that works row by row, in chunks that many workers may share.

    plan     "module:function" (run) -> Iterable[str]: subject keys, frozen into chunks when the run starts
    fetch    "module:function" (run, keys) -> list of (key, row): the rows of one chunk; row is a frozen dataclass
    process  pure: (row, params, context, ask) -> Result, awaited many rows at once
    write    "module:function" (run, list[(key, row, Result)]) -> list[Result]: stores values inside the engine's
             transaction and gives each row's final Result (a writer may turn DONE into DUPLICATE)
    context  "module:function" (run) -> frozen value given to every `process`, loaded once per worker and run
    finish   "module:function" (run) -> None: once, inside the transaction that makes the run done
    endpoints "module:function" (run) -> list[str]: names of the endpoints it asks; without it, the values of the
             parameters called `endpoint` or `..._endpoint`
    templates names of the prompt templates that its rows are rendered with, without the language ("label")
    """

    name: str
    params: type[Any]
    plan: str
    fetch: str
    process: Callable[[Any, Any, Any, Ask], Awaitable[Result]]
    write: str
    context: str = ""
    finish: str = ""
    endpoints: str = ""
    templates: tuple[str, ...] = ()
    rows_per_chunk: int = 500


@dataclass(frozen=True, slots=True)
class WholeStage:
    """A stage that looks at everything at once (or streams files): one worker a part, one part unless `plan` says more.

    work     "module:function" (job) -> None: reports counts through the job, must be safe to start again after a kill
    plan     "module:function" (run) -> Iterable[str]: one part for each key, for example one a file
    alone    whether no run of another stage may start while one of it is at work
    """

    name: str
    params: type[Any]
    work: str
    plan: str = ""
    alone: bool = False


Stage = RowStage | WholeStage
