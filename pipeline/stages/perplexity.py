"""Perplexity of each prompt under a causal model (paper, 3.7, first method): lower is more fluent."""

from __future__ import annotations

from dataclasses import dataclass, field

from annotation.rows import PromptRow
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage
from pipeline.values import ScoreValue

FEWEST_TOKENS = 5  # below, the figure says little about fluency


@dataclass(frozen=True, slots=True)
class Params:
    """The endpoint must give token probabilities: `transformers`, `vllm`, or `tiny_llama` for trying MadSafe."""

    endpoint: str = "base"
    corpora: list[str] = field(default_factory=list)


async def process(row: PromptRow, params: Params, context: None, ask: Ask) -> Result:
    """Mean negative log-likelihood in nats per token; perplexity = exp of it. An empty text has none."""
    found = await ask.likelihood(params.endpoint, row.text)
    if found is None:
        return Result(None, Outcome.REJECTED, "Nothing to score: the text is empty.")
    detail = {"tokens": found.tokens, "truncated": found.truncated, "unreliable": found.tokens < FEWEST_TOKENS}
    return Result((ScoreValue(None, found.nll, detail),))


STAGE = RowStage(
    name="perplexity",
    params=Params,
    plan="annotation.selectors:alignment_keys",
    fetch="annotation.selectors:prompt_rows",
    process=process,
    write="pipeline.scoring:scores_write",
    rows_per_chunk=2000,
)
