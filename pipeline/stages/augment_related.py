"""Augmentation (b), paper 3.5: from existing prompts to related ones."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.runs.stage import Ask, Result, RowStage
from pipeline.generating import accept
from pipeline.rows import MapContext, RelatedRow


@dataclass(frozen=True, slots=True)
class Params:
    """`per_prompt` new prompts for each of `prompts` existing ones, taken evenly from all categories.

    `map` is the version of the merge map that says the categories; without it the newest when the run starts.
    """

    endpoint: str = "rules"
    label_endpoint: str = "rules"
    prompts: int = 1000
    per_prompt: int = 1
    threshold: float = 0.7
    temperature: float = 1.0
    top_p: float = 0.95
    seed: int = 20261123
    map: int | None = None


async def process(row: RelatedRow, params: Params, context: MapContext, ask: Ask) -> Result:
    """Generate one related prompt, label it, and keep it when it is of the same category."""
    inputs = {"prompt": row.text, "variant": str(row.variant)}
    sampling = Sampling(params.temperature, params.top_p, 256, params.seed + row.variant)
    reply = await ask(
        params.endpoint, templates.render(f"augment_related.{row.language}", inputs, sampling, sample=row.variant)
    )
    return await accept(reply, row.category, row.language, (row.id,), params.label_endpoint, context, ask)


STAGE = RowStage(
    name="augment_related",
    params=Params,
    plan="pipeline.augmenting:related_keys",
    fetch="pipeline.augmenting:related_rows",
    process=process,
    write="pipeline.augmenting:candidates_write",
    context="pipeline.augmenting:map_context",
    finish="pipeline.augmenting:forget_pool",
    templates=("augment_related", "label"),
)
