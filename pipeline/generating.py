"""What both augmentations do with a generated text before it may be stored. Pure."""

from __future__ import annotations

from annotation.rows import Candidate
from madsafe_web.core.llm.base import Reply
from madsafe_web.core.llm.parse import generated_prompt, label_key
from madsafe_web.core.runs.stage import Ask, Outcome, Result
from pipeline.rows import MapContext
from pipeline.stages.label import ask_labels


async def accept(
    reply: Reply,
    code: str,
    language: str,
    parents: tuple[int, ...],
    label_endpoint: str,
    context: MapContext,
    ask: Ask,
) -> Result:
    """A Candidate when the text is usable and its labels lead to `code`, else why not.

    It carries only labels that the map knows: a prompt of our own making never reopens the merge.
    """
    if reply.finish == "length":
        return Result(None, Outcome.TRUNCATED, "The generated prompt was cut off by max_tokens.")
    text = generated_prompt(reply.text)
    if not text:
        return Result(None, Outcome.UNPARSED, "The reply holds no usable prompt.")
    found_labels = await ask_labels(text, language, label_endpoint, ask)
    labels = tuple(label for label in found_labels if label_key(label) in context.known)
    found = main_category(labels, context)
    if found != code:
        return Result(None, Outcome.REJECTED, f"Labelled as {found or 'no category'}, wanted {code}.")
    return Result(Candidate(text, labels, reply.key, parents))


def main_category(labels: tuple[str, ...], context: MapContext) -> str:
    """The category of the first label that the map puts into one, or ""."""
    return next((code for label in labels if (code := context.codes.get(label_key(label)))), "")
