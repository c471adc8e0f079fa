"""The right side of the merge page: one label with its sources, its neighbours, and prompts that carry it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.forms import LabelFilter
from annotation.label_use import LabelUse
from annotation.models import Category, DecidedBy, IntentLabel, LabelOperation, Prompt, PromptIntent
from annotation.pages.labels import LabelState, NotUsed, category_of, suggestion_of
from annotation.selectors import EXAMPLES
from annotation.text import clean

TOGETHER = 5
SURE = 0.9  # from this confidence on a suggestion is strong evidence


@dataclass(frozen=True, slots=True)
class Mark:
    """Evidence about a label: a letter for the list, a sentence for the side."""

    letter: str
    text: str
    strong: bool


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    count: int
    percent: float


@dataclass(frozen=True, slots=True)
class Example:
    id: int
    text: str
    lang: str


@dataclass(frozen=True, slots=True)
class Selected:
    """The label at the side, as the template reads it."""

    id: int
    revision: int
    name: str
    prompts: int
    category: Category | str | None
    suggestion: Category | NotUsed | None
    alone_percent: float
    decided_by: str
    decided_when: datetime | None
    sources: list[Source]
    together: list[str]
    why: list[Mark]
    examples: list[Example]
    more_url: str
    cluster_size: int = 1


def evidence_key() -> list[dict[str, str]]:
    """What the letters of the marks mean."""
    return [
        {"letter": "M", "name": _("a model suggests it")},
        {"letter": "R", "name": _("decided by rule")},
        {"letter": "P", "name": _("decided by a person")},
    ]


def marks(state: LabelState) -> list[Mark]:
    """What speaks for the category that a label is shown with."""
    found = []
    if state.confidence is not None:
        text = _("A model suggests %(code)s with confidence %(confidence).2f.")
        what = {"code": state.suggested, "confidence": state.confidence}
        found.append(Mark("M", text % what, state.confidence >= SURE))
    if state.by == DecidedBy.RULE:
        found.append(Mark("R", _("It was decided by rule, no person has looked at it."), False))
    if state.by == DecidedBy.PERSON:
        found.append(Mark("P", _("A person decided about it."), True))
    return found


def selected_context(
    state: LabelState, use: LabelUse, categories: Mapping[str, Category], filters: LabelFilter
) -> Selected:
    """Everything about one label, in five queries."""
    steps = LabelOperation.objects.filter(changes__entry__label=state.id).select_related("actor")
    step = steps.order_by("-id").first()
    decided = step if step and not state.undecided else None
    examples, more_url = _examples(state, filters)
    names = dict(IntentLabel.objects.filter(id__in=use.together(state.id, TOGETHER)).values_list("id", "name"))
    return Selected(
        id=state.id,
        revision=state.revision,
        name=state.name,
        prompts=state.prompts,
        category=category_of(state.target, categories),
        suggestion=suggestion_of(state, categories),
        alone_percent=100 * use.alone(state.id) / state.prompts,
        decided_by=actor_of(decided) if decided else "",
        decided_when=decided.created if decided else None,
        sources=_sources(state),
        together=[names[pk] for pk in use.together(state.id, TOGETHER)],
        why=marks(state),
        examples=examples,
        more_url=more_url,
    )


def actor_of(step: LabelOperation) -> str:
    """Who took a step of the merge history."""
    return step.actor.username if step.actor else _("rule")


def _sources(state: LabelState) -> list[Source]:
    counted = PromptIntent.objects.filter(label=state.id).values_list("prompt__corpus__name")
    rows = counted.annotate(n=Count("prompt", distinct=True)).order_by("-n", "prompt__corpus__name")
    return [Source(name, n, 100 * n / state.prompts) for name, n in rows]


def _examples(state: LabelState, filters: LabelFilter) -> tuple[list[Example], str]:
    """The next prompts with this label, and where those after them are; after the last come the first again."""
    after = filters.kept["more"] or 0
    links = PromptIntent.objects.filter(label=state.id).order_by("prompt").values_list("prompt", flat=True).distinct()
    ids = list(links.filter(prompt__gt=after)[: EXAMPLES + 1])
    prompts = Prompt.objects.filter(id__in=ids[:EXAMPLES]).order_by("id").values_list("id", "text", "language")
    found = [Example(pk, clean(text), language) for pk, text, language in prompts]
    url = f"{reverse('annotation:label', args=[state.id])}?{filters.place()}"
    if len(ids) > EXAMPLES:
        return found, f"{url}&more={ids[EXAMPLES - 1]}"
    return found, url if after else ""
