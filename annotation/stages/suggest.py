"""Ask a model into which of the categories each raw label belongs (paper, 4.1: before people merge them)."""

from __future__ import annotations

from dataclasses import dataclass

from annotation.rows import LabelRow, TaxonomyText
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.llm.parse import suggestion, suggestion_schema
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage


@dataclass(frozen=True, slots=True)
class Params:
    endpoint: str = "rules"


async def process(row: LabelRow, params: Params, taxonomy: TaxonomyText, ask: Ask) -> Result:
    """One suggestion for one label; `taxonomy` has the codes and the text of all categories by language."""
    inputs = {"label": row.name, "examples": "\n".join(row.examples), "categories": taxonomy.text[row.language]}
    schema = suggestion_schema(taxonomy.codes)
    call = templates.render(f"suggest.{row.language}", inputs, Sampling(max_tokens=120), schema=schema)
    reply = await ask(params.endpoint, call)
    found = suggestion(reply.text, taxonomy.codes)
    if found is None:
        return Result(None, Outcome.UNPARSED, "The reply holds no category with a confidence.")
    return Result(found)


STAGE = RowStage(
    name="suggest",
    params=Params,
    plan="annotation.selectors:label_keys",
    fetch="annotation.selectors:label_rows",
    process=process,
    write="annotation.services:suggestions_write",
    context="annotation.categories:taxonomy_context",
    rows_per_chunk=200,
    templates=("suggest",),
)
