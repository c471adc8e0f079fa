"""The right side of the merge page: one label with its sources, its neighbours, and prompts that carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Count
from django.urls import reverse

from annotation.forms import LabelFilter
from annotation.merge.operations import changed_fields
from annotation.merge.telling import step_text
from annotation.models import (
    Category,
    IntentLabel,
    LabelChange,
    LabelComment,
    LabelOperation,
    LabelPlace,
    LabelSpelling,
    MapEntry,
    Prompt,
    PromptIntent,
)
from annotation.pages.labels import LabelState, NotUsed, category_of, suggestion_of
from annotation.pages.merge_items import Mark, marks, reasons_of
from annotation.selectors import EXAMPLES
from annotation.text import clean

if TYPE_CHECKING:
    from annotation.label_counts import LabelUse
    from annotation.merge.proposals import Proposal

TOGETHER = 5
STEPS = 4  # of the history, about this label
LOOKED_THROUGH = 20  # for these
SPELLINGS = 12


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    count: int
    percent: float
    start: float  # where its part of the bar begins, 0..100


@dataclass(frozen=True, slots=True)
class Example:
    id: int
    text: str
    lang: str


@dataclass(frozen=True, slots=True)
class Told:
    """A step about the label, or a comment."""

    actor: str
    text: str
    when: datetime


@dataclass(frozen=True, slots=True)
class Selected:
    """The label at the side, as the template reads it."""

    id: int
    revision: int
    name: str
    theme: str
    flagged: bool
    prompts: int
    category: Category | str | None
    suggestion: Category | NotUsed | None
    alone_percent: float | None  # None for a label that no prompt carries
    sources: list[Source]
    together: list[str]
    spellings: list[str]
    why: list[Mark]
    steps: list[Told]
    comments: list[Told]
    examples: list[Example]
    more_url: str


def selected_context(
    state: LabelState,
    use: LabelUse,
    categories: Mapping[str, Category],
    filters: LabelFilter,
    proposals: Sequence[Proposal] = (),
) -> Selected:
    """Everything about one label, in nine queries."""
    proposal = next((one for one in proposals if state.id in one.labels), None)
    others = [reason.other for one in proposal.members for reason in one.reasons if reason.other] if proposal else []
    beside = use.together(state.id, TOGETHER)
    names = dict(IntentLabel.objects.filter(id__in=[*beside, *others]).values_list("id", "name"))
    suggested = proposal.target if proposal and not state.suggested else state.suggested
    examples, more_url = _examples(state, filters)
    return Selected(
        id=state.id,
        revision=state.revision,
        name=state.name,
        theme=state.theme,
        flagged=state.flagged,
        prompts=state.prompts,
        category=category_of(state.target, categories),
        suggestion=suggestion_of(suggested, categories),
        alone_percent=100 * use.alone(state.id) / state.prompts if state.prompts else None,
        sources=_sources(state),
        together=[names[pk] for pk in beside],
        spellings=_spellings(state),
        why=reasons_of(proposal, state.id, names) if proposal else marks(state),
        steps=_steps(state),
        comments=_comments(state),
        examples=examples,
        more_url=more_url,
    )


def actor_of(step: LabelOperation) -> str:
    """Who took a step of the merge history; "" for a rule."""
    return step.actor.username if step.actor else ""


def _steps(state: LabelState) -> list[Told]:
    """The last steps about it, without those that answered it blindly beside other labels: they tell the answer."""
    changes = LabelChange.objects.filter(entry__label=state.id).select_related("operation__actor").order_by("-id")
    steps = [one.operation for one in changes[:LOOKED_THROUGH] if not _blind_beside(one)]
    return [Told(actor_of(step), step_text(step), step.created) for step in steps[:STEPS]]


def _blind_beside(change: LabelChange) -> bool:
    """Whether a change came of an answer that its step, about other labels too, tells; or of taking that back."""
    if change.operation.verb != LabelOperation.Verb.ASSIGN:
        return False
    hidden = change.after if change.operation.kind == LabelOperation.Kind.DO else change.before
    decided = changed_fields(change).keys() & {"target", "by"}
    return hidden["second"] != MapEntry.Second.NONE or not decided


def _comments(state: LabelState) -> list[Told]:
    rows = LabelComment.objects.filter(label=state.id, standing=True).order_by("-id").select_related("author")
    return [Told(row.author.username, row.text, row.created) for row in rows]


def _spellings(state: LabelState) -> list[str]:
    rows = LabelSpelling.objects.filter(label=state.id).exclude(text=state.name).order_by("id")
    return list(rows.values_list("text", flat=True)[:SPELLINGS])


def _sources(state: LabelState) -> list[Source]:
    counted = PromptIntent.objects.filter(label=state.id).values_list("prompt__corpus__name")
    rows = counted.annotate(n=Count("prompt", distinct=True)).order_by("-n", "prompt__corpus__name")
    found, start = [], 0.0
    for name, n in rows:
        percent = 100 * n / max(state.prompts, n)  # a run that the map does not read may be all there is
        found.append(Source(name, n, percent, start))
        start += percent
    return found


def _examples(state: LabelState, filters: LabelFilter) -> tuple[list[Example], str]:
    """Prompts with this label, and where others are.

    First those that a run of stage `propose` found worth showing, the most central and the most unlike ones; then all
    by id; after the last come the first again.
    """
    url = f"{reverse('annotation:label', args=[state.id])}?{filters.place()}"
    after = filters.kept["more"]
    chosen = LabelPlace.objects.filter(label=state.id).order_by("-run").values_list("examples", flat=True).first()
    if after is None and chosen:
        return _texts(chosen[:EXAMPLES]), f"{url}&more=0"
    links = PromptIntent.objects.filter(label=state.id).order_by("prompt").values_list("prompt", flat=True).distinct()
    ids = list(links.filter(prompt__gt=after or 0)[: EXAMPLES + 1])
    if len(ids) > EXAMPLES:
        return _texts(ids[:EXAMPLES]), f"{url}&more={ids[EXAMPLES - 1]}"
    return _texts(ids), url if after or chosen else ""


def _texts(ids: Sequence[int]) -> list[Example]:
    rows = Prompt.objects.filter(id__in=ids).values_list("id", "text", "language")
    found = {pk: Example(pk, clean(text), language) for pk, text, language in rows}
    return [found[pk] for pk in ids if pk in found]
