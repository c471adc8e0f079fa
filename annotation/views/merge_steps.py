"""What people do on the merge page. The browser gets the lines that changed; without JavaScript, the page again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from annotation.forms import AssignForm, CommentForm, LabelFilter, PlaceForm, SeenForm, ThemeForm
from annotation.merge.deciding import (
    label_comment,
    labels_decide,
    labels_flag,
    labels_refuse,
    labels_theme,
    step_redo,
    step_undo,
)
from annotation.merge.states import Decision, StaleDecision
from annotation.merge.telling import target_name
from annotation.models import IntentLabel, LabelOperation, MapEntry
from annotation.pages.labels import map_shown, next_label, suggestions, targets
from annotation.pages.merge_answers import (
    Lines,
    Touched,
    answer_context,
    conflict_about,
    lines_after,
    lines_of_step,
    prompts_of,
)
from annotation.pages.merge_state import merge_state
from annotation.selectors import map_draft
from annotation.views.merge import filters_of, merge_page
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.people import person
from madsafe_web.core.runs.errors import StageError


@dataclass(frozen=True, slots=True)
class Asked:
    """A step as it was asked for: the labels at their revisions, where they stand, and the other values."""

    seen: dict[int, int]
    touched: Touched
    filters: LabelFilter
    values: dict[str, Any]


def _asked(request: HttpRequest, form: SeenForm) -> Asked | None:
    """What a form asks for; None when it cannot be read. Raises Http404 for labels that are not there."""
    if not form.is_valid():
        return None
    values = form.cleaned_data
    seen = dict(values["seen"])
    named = {*seen, *values["rest"]}
    if scoped(request.user, IntentLabel).filter(pk__in=named).count() < len(named):
        raise Http404
    touched = Touched(tuple(seen), tuple(values["rest"]), values["item"])
    return Asked(seen, touched, filters_of(values["query"]), values)


def _unread(request: HttpRequest) -> HttpResponse:
    messages.error(request, _("The decision could not be read. Nothing was changed."))
    return merge_page(request, status=422)


def _shows_parts(request: HttpRequest) -> bool:
    return bool(request.htmx)  # type: ignore[attr-defined]  # set by django_htmx's middleware


def _stopped(request: HttpRequest, asked: Asked, error: Exception, wanted: str | None = None) -> HttpResponse:
    """Somebody else was there between, or the map was published: nothing was changed, and 409 says why."""
    conflict = conflict_about(error, asked.touched, wanted) if isinstance(error, StaleDecision) else None
    if conflict is None:
        messages.error(request, str(error))
    if not _shows_parts(request):
        return merge_page(request, filters_of(asked.filters.place(), asked.touched.labels[0]), 409, conflict)
    lines = lines_after(asked.touched, asked.filters, decided=False)
    context = answer_context(person(request), asked.filters, lines, conflict)
    return render(request, "annotation/merge/answer.html", context, status=409)


def _done(request: HttpRequest, asked: Asked, lines: Lines, said: str, following: int | None = None) -> HttpResponse:
    messages.success(request, said, extra_tags="undo-label")
    if not _shows_parts(request):
        return _back(asked.filters.place(), following or asked.touched.labels[0])
    return render(request, "annotation/merge/answer.html", answer_context(person(request), asked.filters, lines))


def _back(query: str, label: int | None) -> HttpResponse:
    shown = f"label={label}" if label else ""
    return redirect(f"{reverse('annotation:merge')}?{'&'.join(filter(None, (query, shown)))}")


@require_POST
@needs("merge")
def label_assign(request: HttpRequest) -> HttpResponse:
    asked = _asked(request, AssignForm(request.POST))
    if asked is None:
        return _unread(request)
    target = asked.values["category"]
    # Asked before the decision takes the labels out of the list.
    listed = [] if _shows_parts(request) else merge_state(person(request)).listed(asked.filters)
    following = next_label(listed, asked.seen)
    sure = {pk: confidence for pk, (_code, confidence) in suggestions(asked.seen).items()}
    try:
        step = labels_decide(user=person(request), seen=asked.seen, decision=Decision(target), confidence=sure)
    except (StaleDecision, StageError) as error:
        return _stopped(request, asked, error, target)
    lines = lines_after(asked.touched, asked.filters, decided=bool(target))
    blind = _told_blind(asked.seen) if step.verb == LabelOperation.Verb.OPINION else ""
    return _done(request, asked, lines, blind or _told(asked.seen, target), following)


def _told(labels: dict[int, int], target: str) -> str:
    """As it is said aloud: "9 labels, 14,203 prompts to IA"."""
    if not target:
        words = ngettext("%(count)d label is undecided", "%(count)d labels are undecided", len(labels))
        return words % {"count": len(labels)}
    prompts = f"{prompts_of(labels):,}"
    words = ngettext(
        "%(count)d label, %(prompts)s prompts to %(category)s",
        "%(count)d labels, %(prompts)s prompts to %(category)s",
        len(labels),
    )
    return words % {"count": len(labels), "prompts": prompts, "category": target_name(target)}


def _told_blind(labels: dict[int, int]) -> str:
    """What became of answers that a second person gives too; "" where they decided the labels."""
    second = {one.second for one in targets(map_shown(), labels).values()}
    if MapEntry.Second.CONFLICT in second:
        return _("Your answer is kept. Somebody else answered otherwise: a lead settles it under Conflicts.")
    if MapEntry.Second.WAITING in second:
        return _("Your answer is kept. It counts when a second person answers alike.")
    return ""


def _step(request: HttpRequest, form: SeenForm, take: Callable[[Asked], str], apart: bool = False) -> HttpResponse:
    """Take a step that leaves the labels as decided as they are; `take` says what was done."""
    asked = _asked(request, form)
    if asked is None:
        return _unread(request)
    try:
        said = take(asked)
    except (StaleDecision, StageError) as error:
        return _stopped(request, asked, error)
    return _done(request, asked, lines_after(asked.touched, asked.filters, decided=False, apart=apart), said)


@require_POST
@needs("merge")
def label_theme(request: HttpRequest) -> HttpResponse:
    """Give labels a common name; without a name each stands for itself again."""

    def take(asked: Asked) -> str:
        theme = asked.values["theme"]
        labels_theme(user=person(request), seen=asked.seen, theme=theme)
        return _("Named “%(theme)s”.") % {"theme": theme} if theme else _("Each label stands for itself again.")

    return _step(request, ThemeForm(request.POST), take)


@require_POST
@needs("merge")
def label_split(request: HttpRequest) -> HttpResponse:
    """Take labels out of their common name and out of the proposal that is shown."""

    def take(asked: Asked) -> str:
        labels_theme(user=person(request), seen=asked.seen, theme="")
        return _("Each label stands for itself again.")

    return _step(request, SeenForm(request.POST), take, apart=True)


@require_POST
@needs("merge")
def label_refuse(request: HttpRequest) -> HttpResponse:
    """Say that labels do not belong to the others of their proposal; without others, not to each other."""

    def take(asked: Asked) -> str:
        labels = asked.touched.labels
        labels_refuse(user=person(request), together=labels, apart=asked.touched.rest)
        return _("Not together: this is remembered.")

    return _step(request, SeenForm(request.POST), take, apart=True)


@require_POST
@needs("merge")
def label_flag(request: HttpRequest) -> HttpResponse:
    """Put labels before the lead, or take them away again when all of them are there."""

    def take(asked: Asked) -> str:
        entries = targets(map_shown(), asked.seen)
        flagged = not all(entries[pk].flagged if pk in entries else False for pk in asked.seen)
        labels_flag(user=person(request), seen=asked.seen, flagged=flagged)
        return _("Flagged for the lead.") if flagged else _("The flag is taken away.")

    return _step(request, SeenForm(request.POST), take)


@require_POST
@needs("merge")
def label_note(request: HttpRequest) -> HttpResponse:
    """Note something about the label shown."""

    def take(asked: Asked) -> str:
        label_comment(user=person(request), label=asked.values["label"], text=asked.values["text"])
        return _("The comment is kept.")

    return _step(request, CommentForm(request.POST), take)


@require_POST
@needs("merge")
def label_discuss(request: HttpRequest) -> HttpResponse:
    """Leave a decision that crossed one's own as it is, and put the labels before the lead with a comment."""

    @transaction.atomic
    def take(asked: Asked) -> str:
        text = _("I would decide: %(category)s") % {"category": target_name(asked.values["category"])}
        for pk in asked.seen:
            label_comment(user=person(request), label=pk, text=text)
        labels_flag(user=person(request), seen=asked.seen, flagged=True)
        return _("Flagged for the lead.")

    return _step(request, AssignForm(request.POST), take)


@require_POST
@needs("merge")
def label_undo(request: HttpRequest) -> HttpResponse:
    return _walked(request, step_undo, _("There is nothing of yours to undo."), _("Undone."))


@require_POST
@needs("merge")
def label_redo(request: HttpRequest) -> HttpResponse:
    return _walked(request, step_redo, _("There is nothing to redo."), _("Done again."))


def _walked(
    request: HttpRequest, service: Callable[..., LabelOperation | None], nothing: str, done: str
) -> HttpResponse:
    """One step back or forth in the person's own history."""
    form = PlaceForm(request.POST)  # the button of a toast does not say where it was pressed
    filters = filters_of(form.cleaned_data["query"] if form.is_valid() else "")
    draft = map_draft()
    try:
        step = service(user=person(request), draft=draft) if draft else None
    except (StaleDecision, StageError) as error:
        labels = error.labels if isinstance(error, StaleDecision) else ()
        asked = Asked({}, Touched(labels or (0,)), filters, {})
        return _stopped(request, asked, error)
    messages.info(request, done if step else nothing)
    if not _shows_parts(request):
        change = step.changes.select_related("entry").first() if step else None
        return _back(filters.place(), change.entry.label_id if change else None)
    lines = lines_of_step(step, filters) if step else Lines()
    return render(request, "annotation/merge/answer.html", answer_context(person(request), filters, lines))
