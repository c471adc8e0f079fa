"""Regenerate responses with a safer model by a chain of thought: analysis, explanation, safe reply (paper, 3.6)."""

from __future__ import annotations

from dataclasses import dataclass, field

from annotation.rows import NewResponse, PromptRow
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.llm.parse import cot_reply
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage


@dataclass(frozen=True, slots=True)
class Params:
    endpoint: str = "rules"
    corpora: list[str] = field(default_factory=list)
    temperature: float = 0.7
    top_p: float = 0.8
    max_tokens: int = 1024
    seed: int = 20261123


async def process(row: PromptRow, params: Params, context: None, ask: Ask) -> Result:
    """The reply part of the chain of thought becomes the response; analysis and explanation stay in the generation."""
    sampling = Sampling(params.temperature, params.top_p, params.max_tokens, params.seed)
    reply = await ask(params.endpoint, templates.render(f"regenerate.{row.language}", {"prompt": row.text}, sampling))
    if reply.finish == "length":
        return Result(None, Outcome.TRUNCATED, "The response was cut off by max_tokens.")
    if reply.finish == "content_filter":
        return Result(None, Outcome.PROVIDER_REFUSED, "The provider's content filter refused.")
    parts = cot_reply(reply.text)
    if parts is None:
        return Result(None, Outcome.UNPARSED, "The reply does not have the three marked parts.")
    return Result(NewResponse(parts.reply, reply.key))


STAGE = RowStage(
    name="regenerate",
    params=Params,
    plan="annotation.selectors:alignment_keys",
    fetch="annotation.selectors:prompt_rows",
    process=process,
    write="annotation.services:responses_write",
    templates=("regenerate",),
)
