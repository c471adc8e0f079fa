"""Merging labels: the page, one label of it, and the steps that people take on it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.forms import AssignForm, LabelFilter, MapForm, PlaceForm
from annotation.merge import drafts
from annotation.merge.deciding import labels_decide, step_redo, step_undo
from annotation.merge.states import Decision, StaleDecision
from annotation.merging import merge_finish
from annotation.models import IntentLabel, LabelOperation, MergeMap
from annotation.pages.labels import next_label
from annotation.pages.merge import conflict_about, merge_context, merge_state, pane_context
from annotation.selectors import map_draft, merge_waiting
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.people import person
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.tasks import enqueue


def _page(request: HttpRequest, filters: LabelFilter, status: int = 200, stale: str = "") -> HttpResponse:
    """The whole page; `stale` names a label that somebody else decided about."""
    conflict = conflict_about(stale) if stale else None
    context = merge_context(person(request), filters, conflict)
    return render(request, "annotation/merge.html", context, status=status)


def _filters(query: str, label: int | None = None) -> LabelFilter:
    values = QueryDict(query, mutable=True)
    if label:
        values["label"] = str(label)
    return LabelFilter(values)


def _back(query: str, label: int | None) -> HttpResponse:
    shown = f"label={label}" if label else ""
    return redirect(f"{reverse('annotation:merge')}?{'&'.join(filter(None, (query, shown)))}")


@require_safe
@needs("browse")
def merge(request: HttpRequest) -> HttpResponse:
    filters = LabelFilter(request.GET)
    if filters.refused:
        messages.warning(request, _("A part of the address could not be used and was left out."))
    return _page(request, filters)


@require_safe
@needs("browse")
def label(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(scoped(request.user, IntentLabel), pk=pk)
    query = request.GET.copy()
    query["label"] = str(pk)
    filters = LabelFilter(query)
    if not request.htmx:  # type: ignore[attr-defined]  # set by django_htmx's middleware
        return _page(request, filters)
    context = pane_context(pk, filters)
    return render(request, "annotation/merge.html#label-pane", context)


@require_POST
@needs("merge")
def label_assign(request: HttpRequest) -> HttpResponse:
    form = AssignForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("The decision could not be read. Nothing was changed."))
        return _page(request, _filters(""), 422)
    values = form.cleaned_data
    known = scoped(request.user, IntentLabel).in_bulk([pk for pk, _revision in values["seen"]])
    if len(known) < len(values["seen"]):
        raise Http404
    shown = known[values["label"]]
    listed = merge_state().listed(_filters(values["query"]))
    try:
        labels_decide(user=person(request), seen=dict(values["seen"]), decision=Decision(values["category"]))
    except StaleDecision as error:
        return _page(request, _filters(values["query"], shown.pk), 409, stale=str(error))
    except StageError as error:
        messages.error(request, str(error))
        return _page(request, _filters(values["query"], shown.pk), 409)
    told = {"label": shown.name, "category": _told(values["category"])}
    messages.success(request, _("“%(label)s” → %(category)s") % told, extra_tags="undo-label")
    following = next_label(listed, dict(values["seen"]))
    return _back(values["query"], following)


def _told(target: str) -> str:
    return {"DROP": _("Not used"), "": _("Undecided")}.get(target, target)


@require_POST
@needs("merge")
def label_undo(request: HttpRequest) -> HttpResponse:
    draft = map_draft()
    try:
        step = step_undo(user=person(request), draft=draft) if draft else None
    except (StaleDecision, StageError) as error:
        return _crossed(request, error)
    return _stepped(request, step, _("There is nothing of yours to undo."))


@require_POST
@needs("merge")
def label_redo(request: HttpRequest) -> HttpResponse:
    draft = map_draft()
    try:
        step = step_redo(user=person(request), draft=draft) if draft else None
    except (StaleDecision, StageError) as error:
        return _crossed(request, error)
    return _stepped(request, step, _("There is nothing to redo."))


def _place(request: HttpRequest) -> str:
    """Where a step was asked for; the button of a toast does not say."""
    form = PlaceForm(request.POST)
    return str(form.cleaned_data["query"]) if form.is_valid() else ""


def _crossed(request: HttpRequest, error: StaleDecision | StageError) -> HttpResponse:
    """Somebody else was there between: show whose decision stands."""
    if isinstance(error, StageError):
        messages.error(request, str(error))
        return _page(request, _filters(_place(request)), 409)
    return _page(request, _filters(_place(request)), 409, stale=str(error))


def _stepped(request: HttpRequest, step: LabelOperation | None, nothing: str) -> HttpResponse:
    if step is None:
        messages.info(request, nothing)
    change = step.changes.select_related("entry").first() if step else None
    return _back(_place(request), change.entry.label_id if change else None)


def _draft(request: HttpRequest) -> MergeMap:
    """The map that the form names. Raises Http404 when there is none."""
    form = MapForm(request.POST)
    if not form.is_valid():
        raise Http404
    return get_object_or_404(scoped(request.user, MergeMap), pk=form.cleaned_data["map"])


@require_POST
@needs("publish")
def map_publish(request: HttpRequest) -> HttpResponse:
    draft = _draft(request)
    if merge_waiting():
        messages.error(request, _("A merge run waits for people. Press “Finish merging” instead."))
        return _page(request, _filters(""), 409)
    try:
        published = drafts.map_publish(draft, person(request))
    except StageError as error:
        messages.error(request, str(error))
        return _page(request, _filters(""), 409)
    messages.success(request, _("Map v%(version)s is published.") % {"version": published.version})
    return redirect("annotation:merge")


@require_POST
@needs("publish")
def finish(request: HttpRequest) -> HttpResponse:
    _draft(request)
    run = merge_waiting()
    if run is None or not merge_finish(run, person(request)):
        messages.error(request, _("No merge run waits any more."))
        return _page(request, _filters(""), 409)
    enqueue(run)
    messages.success(request, _("Merging is finished; the run goes on."))
    return redirect("annotation:merge")
