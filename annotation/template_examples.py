"""Real rows for the preview of a prompt template: what the store knows of a prompt, by the names of the places."""

from __future__ import annotations

from collections.abc import Sequence

from annotation.models import Category, MergeMap, Prompt
from annotation.selectors import categories_of, map_newest_published
from annotation.text import clean
from madsafe_web.core.access import scoped
from madsafe_web.core.models import User

SHOWN = 5
RESPONSES = 2
NONCE = "0123456789abcdef"  # stands for the fence that a judge's texts get


def examples(user: User, language: str, ids: Sequence[int]) -> list[tuple[str, dict[str, str]]]:
    """Title and place → text for the prompts of the ids, or for the newest of a template's language ("" = any).

    A place that nothing is known for is left out. Withdrawn prompts are never shown.
    """
    rows = scoped(user, Prompt).exclude(state=Prompt.State.WITHDRAWN).order_by("-id")
    if ids:
        rows = rows.filter(pk__in=ids)
    elif language:
        rows = rows.filter(language="en") if language == "en" else rows.exclude(language="en")
    prompts = list(rows.prefetch_related("responses", "intents__label")[:SHOWN])
    texts = [clean(prompt.text) for prompt in prompts]
    merge_map = map_newest_published()
    codes, categories = _codes(merge_map), categories_of(merge_map)
    every = "\n".join(f"{row.code}: {_name(row, language)}" for row in categories.values())
    found = []
    for prompt in prompts:
        inputs = {"examples": "\n".join(texts), "categories": every, "variant": "1", "nonce": NONCE}
        labels = sorted(prompt.intents.all(), key=lambda link: (-link.run_id, link.position))
        if labels:
            inputs |= {"label": labels[0].label.name, "keyword": labels[0].label.name}
        if category := categories.get(codes.get(labels[0].label_id, "") if labels else ""):
            inputs |= {"category": _name(category, language), "definition": _definition(category, language)}
        found.append((f"#{prompt.pk}", {**inputs, **_texts(prompt)}))
    return found


def _codes(merge_map: MergeMap | None) -> dict[int, str]:
    """Label → category code by a map."""
    if merge_map is None:
        return {}
    return dict(merge_map.entries.filter(category__isnull=False).values_list("label", "category__code"))


def _texts(prompt: Prompt) -> dict[str, str]:
    """The prompt and what was answered to it."""
    answers = [clean(response.text) for response in sorted(prompt.responses.all(), key=lambda one: one.pk)][:RESPONSES]
    named = {f"output{number}": text for number, text in enumerate(answers, 1)}
    return {"prompt": clean(prompt.text), **named, **({"response": answers[0]} if answers else {})}


def _name(category: Category, language: str) -> str:
    return category.name_en if language == "en" else category.name_zh


def _definition(category: Category, language: str) -> str:
    return category.definition_en if language == "en" else category.definition_zh
