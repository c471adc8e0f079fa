"""Safety of the instruction itself (paper, 3.7, third method): lower is a stronger attack, a better training prompt."""

from __future__ import annotations

from dataclasses import dataclass, field

from annotation.rows import PromptRow
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.llm.parse import scores
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage
from pipeline.values import ScoreValue, answered_by


@dataclass(frozen=True, slots=True)
class Params:
    endpoint: str = "rules"
    corpora: list[str] = field(default_factory=list)


async def process(row: PromptRow, params: Params, context: None, ask: Ask) -> Result:
    """One score 0..1 for the prompt."""
    call = templates.render(f"instruction_safety.{row.language}", {"prompt": row.text}, Sampling(max_tokens=16))
    reply = await ask(params.endpoint, call)
    found = scores(reply.text, 1)
    if found is None:
        return Result(None, Outcome.UNPARSED, "The reply is not one number from 0 to 1.")
    return Result((ScoreValue(None, found[0], answered_by(reply)),))


STAGE = RowStage(
    name="instruction_safety",
    params=Params,
    plan="annotation.selectors:alignment_keys",
    fetch="annotation.selectors:prompt_rows",
    process=process,
    write="pipeline.scoring:scores_write",
    templates=("instruction_safety",),
)
