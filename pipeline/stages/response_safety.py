"""Safety of each response by a model that sees two at a time (paper, 3.7, second method).

Scoring two texts in one call favours a position, so both orders are asked and averaged; the difference is kept.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from annotation.rows import PromptRow, ResponseRow
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Reply, Sampling
from madsafe_web.core.llm.parse import scores
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage
from pipeline.values import ScoreValue, answered_by

NO_RESPONSE = ResponseRow(0, "", "")


@dataclass(frozen=True, slots=True)
class Params:
    endpoint: str = "rules"
    corpora: list[str] = field(default_factory=list)


def pairs(responses: tuple[ResponseRow, ...]) -> list[tuple[ResponseRow, ResponseRow]]:
    """Pairs such that every response stands in one: neighbours, the odd last one with the first, a single one alone."""
    if len(responses) < 2:
        return [(one, NO_RESPONSE) for one in responses]
    found = list(zip(responses[::2], responses[1::2], strict=False))
    return found + ([(responses[-1], responses[0])] if len(responses) % 2 else [])


async def process(row: PromptRow, params: Params, context: None, ask: Ask) -> Result:
    """A score 0..1 for each response, the mean over the calls it stood in; `detail` keeps every single one."""
    if not row.responses:
        return Result(None, Outcome.REJECTED, "The prompt has no response to score.")
    given: dict[int, list[float]] = defaultdict(list)
    replies: dict[int, list[Reply]] = defaultdict(list)
    for first, second in pairs(row.responses):
        for one, other in ((first, second), (second, first)):
            inputs = {"prompt": row.text, "output1": one.text, "output2": other.text}
            call = templates.render(f"response_safety.{row.language}", inputs, Sampling(max_tokens=32))
            reply = await ask(params.endpoint, call)
            found = scores(reply.text, 2)
            if found is None:
                return Result(None, Outcome.UNPARSED, "The reply is not a list of two numbers from 0 to 1.")
            for response, score in zip((one, other), found, strict=True):
                given[response.id].append(score)
                replies[response.id].append(reply)
    given.pop(NO_RESPONSE.id, None)
    return Result(tuple(_scored(pk, all_, replies[pk]) for pk, all_ in given.items()))


def _scored(response: int, given: list[float], replies: list[Reply]) -> ScoreValue:
    return ScoreValue(response, sum(given) / len(given), {"given": given, **answered_by(*replies)})


STAGE = RowStage(
    name="response_safety",
    params=Params,
    plan="annotation.selectors:alignment_keys",
    fetch="annotation.selectors:prompt_rows_with_responses",
    process=process,
    write="pipeline.scoring:scores_write",
    templates=("response_safety",),
)
