"""Choose the samples of the alignment set by their three scores, and add the general ones (paper, 3.8)."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    """Low perplexity, high response score, low instruction score.

    `perplexity_quantile` 0..1: the most fluent share of prompts that stays (perplexity has no absolute scale);
    `response_min` and `instruction_max` 0..1 are limits on the scores. `map` is the version of the merge map that says
    the categories; without it the newest when the run works.
    """

    name: str = "Alignment set"
    perplexity_quantile: float = 0.9
    response_min: float = 0.6
    instruction_max: float = 0.8
    map: int | None = None


STAGE = WholeStage(name="select", params=Params, work="pipeline.selecting:select")
