"""Augmentation (a), paper 3.5: from a theme keyword and a few examples to new prompts where a category lacks some."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.runs.stage import Ask, Result, RowStage
from pipeline.generating import accept
from pipeline.rows import KeywordRow, MapContext


@dataclass(frozen=True, slots=True)
class Params:
    """Each category is filled up to `target` prompts, by a generator that does not refuse, at high temperature.

    `map` is the version of the merge map that says the categories; without it the newest when the run starts.
    """

    endpoint: str = "rules"
    label_endpoint: str = "rules"
    target: int = 100
    keywords: int = 8
    examples: int = 3
    threshold: float = 0.7
    temperature: float = 1.0
    top_p: float = 0.95
    seed: int = 20261123
    map: int | None = None


async def process(row: KeywordRow, params: Params, context: MapContext, ask: Ask) -> Result:
    """Generate one prompt, label it, and keep it when the labels lead back to the category it was made for."""
    inputs = {
        "category": context.names[row.code][row.language],
        "keyword": row.keyword,
        "examples": "\n".join(row.examples),
        "variant": str(row.variant),
    }
    sampling = Sampling(params.temperature, params.top_p, 256, params.seed + row.variant)
    call = templates.render(f"augment_keyword.{row.language}", inputs, sampling, sample=row.variant)
    reply = await ask(params.endpoint, call)
    return await accept(reply, row.code, row.language, row.parents, params.label_endpoint, context, ask)


STAGE = RowStage(
    name="augment_keyword",
    params=Params,
    plan="pipeline.augmenting:keyword_keys",
    fetch="pipeline.augmenting:keyword_rows",
    process=process,
    write="pipeline.augmenting:candidates_write",
    context="pipeline.augmenting:map_context",
    finish="pipeline.augmenting:forget_pool",
    templates=("augment_keyword", "label"),
)
