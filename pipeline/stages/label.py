"""Multi-intent recognition (paper, 3.4): a model names the safety themes of each prompt, labels only."""

from __future__ import annotations

from dataclasses import dataclass, field

from annotation.rows import PromptRow
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.llm.label_reply import labels
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage

WARMER = 0.7  # asked once more as coldly as before, a model would say the same


@dataclass(frozen=True, slots=True)
class Params:
    """Labels the prompts in use of the named corpora, or of all corpora with one of the roles."""

    endpoint: str = "rules"
    corpora: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=lambda: ["alignment", "benchmark"])


async def process(row: PromptRow, params: Params, context: None, ask: Ask) -> Result:
    """The labels of one prompt. A reply without any usable label is asked for once more, then the row is unparsed.

    The raw text of the last reply is kept.
    """
    found = await ask_labels(row.text, row.language, params.endpoint, ask)
    found = found or await ask_labels(row.text, row.language, params.endpoint, ask, sample=1)
    return Result(found) if found else Result(None, Outcome.UNPARSED, "The reply holds no usable label.")


async def ask_labels(text: str, language: str, endpoint: str, ask: Ask, sample: int = 0) -> tuple[str, ...]:
    """Ask for the labels of a text; () when the reply holds none. Each `sample` is another reply."""
    sampling = Sampling(temperature=WARMER if sample else 0.0, max_tokens=64)
    call = templates.render(f"label.{language}", {"prompt": text}, sampling, sample=sample)
    reply = await ask(endpoint, call)
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
