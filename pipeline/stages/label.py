"""Multi-intent recognition (paper, 3.4): a model names the safety themes of each prompt, labels only."""

from __future__ import annotations

from dataclasses import dataclass, field

from annotation.rows import PromptRow
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.llm.parse import labels
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage


@dataclass(frozen=True, slots=True)
class Params:
    """Labels the prompts in use of the named corpora, or of all corpora with one of the roles."""

    endpoint: str = "rules"
    corpora: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=lambda: ["alignment", "benchmark"])


async def process(row: PromptRow, params: Params, context: None, ask: Ask) -> Result:
    """The labels of one prompt; a reply without any usable label is unparsed, its raw text is kept."""
    found = await ask_labels(row.text, row.language, params.endpoint, ask)
    return Result(found) if found else Result(None, Outcome.UNPARSED, "The reply holds no usable label.")


async def ask_labels(text: str, language: str, endpoint: str, ask: Ask) -> tuple[str, ...]:
    """Ask for the labels of a text; () when the reply holds none."""
    reply = await ask(endpoint, templates.render(f"label.{language}", {"prompt": text}, Sampling(max_tokens=64)))
    return labels(reply.text)


STAGE = RowStage(
    name="label",
    params=Params,
    plan="pipeline.selectors:label_keys",
    fetch="annotation.selectors:prompt_rows",
    process=process,
    write="annotation.services:intents_write",
    templates=("label",),
)
