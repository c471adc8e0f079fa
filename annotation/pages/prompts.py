"""Prompts as the list and the page of one prompt show them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.labelling import links_read
from annotation.merge.states import DROP
from annotation.models import Category, IntentLabel, MapEntry, MergeMap, Prompt
from annotation.pages.labels import category_of
from annotation.pages.lineage import events, family, lineage
from annotation.selectors import categories_of, map_newest_published
from annotation.text import clean
from madsafe_web.core.llm.parse import cot_reply
from madsafe_web.core.method import run_name
from madsafe_web.core.models import User

PERPLEXITY, RESPONSE, INSTRUCTION = "perplexity", "response_safety", "instruction_safety"  # kinds of scores
ROW_CHARACTERS, TITLE_CHARACTERS = 200, 400
Context = dict[str, Any]  # Any: a template's context


@dataclass(frozen=True, slots=True)
class LabelShown:
    """A label of a prompt with what the published map says about it."""

    id: int
    name: str
    category: Category | str | None


@dataclass(slots=True)
class Scores:
    """The newest scores of one prompt; `responses` has the safety of each response, 0..1, higher is safer."""

    nats: float | None = None
    instruction_safety: float | None = None
    responses: dict[int, float] = field(default_factory=dict)
    gaps: dict[int, float] = field(default_factory=dict)
    fallbacks: dict[tuple[str, int | None], str] = field(default_factory=dict)  # kind, response → who answered instead

    @property
    def answered_by(self) -> list[str]:
        """Who gave scores in the place of an endpoint that refused, as "endpoint / model"."""
        return sorted({name for name in self.fallbacks.values() if name})

    @property
    def perplexity(self) -> float | None:
        """exp of the stored mean negative log-likelihood; a text that no model can read has none."""
        return math.exp(self.nats) if self.nats is not None and self.nats < 500 else None

    @property
    def response_safety(self) -> float | None:
        return max(self.responses.values(), default=None)

    @property
    def order_gap(self) -> float | None:
        """How far the scores of the safest response lie apart over the places it stood in."""
        best = max(self.responses, key=lambda pk: self.responses[pk], default=None)
        return self.gaps.get(best) if best is not None else None


@dataclass(frozen=True, slots=True)
class PromptShown:
    """One prompt as the templates read it."""

    id: int
    text: str
    lang: str
    categories: list[Category]
    labels: list[str]
    corpus: str
    state: str
    perplexity: float | None
    response_safety: float | None
    instruction_safety: float | None
    order_gap: float | None
    answered_by: list[str]

    @property
    def start(self) -> str:
        """As much of the text as a row shows; cut off plainly, since Django's way looks at every character."""
        return shortened(self.text, ROW_CHARACTERS)

    @property
    def title(self) -> str:
        return shortened(self.text, TITLE_CHARACTERS)


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def prompts_shown(rows: Sequence[Prompt], merge_map: MergeMap | None) -> list[PromptShown]:
    """Rows of the list, in five queries however many they are. Each row must hold its corpus."""
    ids = [row.pk for row in rows]
    labels, scores = labels_of(ids, merge_map), scores_of(ids)
    return [prompt_shown(row, labels[row.pk], scores[row.pk]) for row in rows]


def prompt_shown(row: Prompt, labels: Sequence[LabelShown], scores: Scores) -> PromptShown:
    found = {one.category.code: one.category for one in labels if isinstance(one.category, Category)}
    return PromptShown(
        id=row.pk,
        text=clean(row.text),
        lang=row.language,
        categories=list(found.values()),
        labels=[one.name for one in labels],
        corpus=row.corpus.name,
        state=row.get_state_display(),
        perplexity=scores.perplexity,
        response_safety=scores.response_safety,
        instruction_safety=scores.instruction_safety,
        order_gap=scores.order_gap,
        answered_by=scores.answered_by,
    )


def labels_of(prompt_ids: Sequence[int], merge_map: MergeMap | None) -> Mapping[int, list[LabelShown]]:
    """Prompt id → its labels, each once, in the order that the model named them, with what this map makes of them."""
    links = links_read(merge_map).filter(prompt__in=prompt_ids).order_by("position", "id")
    pairs = list(dict.fromkeys(links.values_list("prompt", "label")))
    names = dict(IntentLabel.objects.filter(id__in={label for _, label in pairs}).values_list("id", "name"))
    entries = MapEntry.objects.filter(merge_map=merge_map, label__in=names)
    target_of = {pk: DROP if dropped else code or "" for pk, code, dropped in _targets(entries)}
    categories = categories_of(merge_map)
    found: dict[int, list[LabelShown]] = defaultdict(list)
    for prompt_id, label_id in pairs:
        category = category_of(target_of.get(label_id, ""), categories)
        found[prompt_id].append(LabelShown(label_id, names[label_id], category))
    return found


def _targets(entries: QuerySet[MapEntry]) -> QuerySet[MapEntry, tuple[int, str | None, bool]]:
    return entries.values_list("label", "category__code", "dropped")


def scores_of(prompt_ids: Sequence[int]) -> Mapping[int, Scores]:
    """Prompt id → its scores. They hang on a prompt by the relation `scores`, which the app above declares."""
    rows = Prompt.objects.filter(id__in=prompt_ids, scores__isnull=False).order_by("scores__id")
    found: dict[int, Scores] = defaultdict(Scores)
    for pk, kind, value, response_id, detail in rows.values_list(
        "id", "scores__kind", "scores__value", "scores__response", "scores__detail"
    ):
        one = found[pk]
        one.fallbacks[kind, response_id] = (detail or {}).get("answered_by", "")
        if kind == PERPLEXITY:
            one.nats = value
        elif kind == INSTRUCTION:
            one.instruction_safety = value
        elif kind == RESPONSE and response_id and value is not None:
            one.responses[response_id] = value
            given = (detail or {}).get("given") or [value]
            one.gaps[response_id] = max(given) - min(given)
    return found


def prompt_context(row: Prompt, user: User) -> Context:
    """The page of one prompt, which must hold its corpus."""
    labels, scores = labels_of([row.pk], map_newest_published())[row.pk], scores_of([row.pk])[row.pk]
    responses = row.responses.select_related("run").order_by("id").annotate(reasoning=F("generation__text"))
    return {
        "prompt": prompt_shown(row, labels, scores),
        "labels": labels,
        "responses": [
            {
                "id": one.pk,
                "kind": one.get_origin_display(),
                "source": one.kind or (run_name(one.run) if one.run else ""),
                "safety": scores.responses.get(one.pk),
                "chosen": False,
                "analysis": analysis_of(one.reasoning or ""),
                "text": clean(one.text),
            }
            for one in responses
        ],
        "source": _source(row),
        "lineage": lineage(row),
        "family": family(row, user),
        "events": events(row, user),
    }


def analysis_of(generated: str) -> str:
    """What a regenerated response was reasoned from: the parts of the generation before the reply."""
    parts = cot_reply(generated)
    return clean(f"{parts.analysis}\n\n{parts.explanation}") if parts else ""


def _source(row: Prompt) -> list[Context]:
    items = [
        (_("Corpus"), row.corpus.name, reverse("annotation:corpus", args=[row.corpus_id])),
        (_("File"), row.corpus.file_name, ""),
        (_("Number in the source"), row.source_id, ""),
        (_("Scenario"), row.scenario, ""),
        (_("Kind of attack"), row.attack_type, ""),
    ]
    return [{"name": name, "value": value, "url": url} for name, value, url in items if value]
