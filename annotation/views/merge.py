"""Merging labels: the page and its parts. What people do there is in annotation.views.merge_steps."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.forms import LabelFilter, PresenceForm, RestForm
from annotation.merge.presence import presence_note, presence_now
from annotation.models import IntentLabel
from annotation.pages.merge import Context, counts_only, members_context, merge_context, pane_context, rest_context
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.people import person


def merge_page(
    request: HttpRequest, filters: LabelFilter | None = None, status: int = 200, conflict: Context | None = None
) -> HttpResponse:
    """The whole page; `conflict` says what somebody else decided meanwhile."""
    context = merge_context(person(request), filters or LabelFilter({}), conflict)
    return render(request, "annotation/merge.html", context, status=status)


def filters_of(query: str, label: int | None = None) -> LabelFilter:
    """The filter that a query string asks for, with this label at the side."""
    values = QueryDict(query, mutable=True)
    if label:
        values["label"] = str(label)
    return LabelFilter(values)


@require_safe
@needs("browse")
def merge(request: HttpRequest) -> HttpResponse:
    filters = LabelFilter(request.GET)
    if filters.refused:
        messages.warning(request, _("A part of the address could not be used and was left out."))
    return merge_page(request, filters)


@require_safe
@needs("browse")
def label(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(scoped(request.user, IntentLabel), pk=pk)
    filters = filters_of(request.GET.urlencode(), pk)
    if not request.htmx:  # type: ignore[attr-defined]  # set by django_htmx's middleware
        return merge_page(request, filters)
    return render(request, "annotation/merge/pane.html", pane_context(person(request), pk, filters))


@require_safe
@needs("browse")
def members(request: HttpRequest, pk: int) -> HttpResponse:
    """The labels of a proposal, asked for when it is opened."""
    get_object_or_404(scoped(request.user, IntentLabel), pk=pk)
    return render(request, "annotation/merge/members.html", members_context(pk, LabelFilter(request.GET)))


@require_safe
@needs("browse")
def rest(request: HttpRequest) -> HttpResponse:
    """The lines of the list that did not come with the page."""
    return render(request, "annotation/merge/lines.html", rest_context(person(request), RestForm(request.GET)))


@require_safe
@needs("browse")
def counts(request: HttpRequest) -> HttpResponse:
    """The numbers, asked for after a decision."""
    numbers = counts_only(person(request), LabelFilter(request.GET))
    return render(request, "annotation/merge/counts.html", {**numbers, "oob": True})


@require_POST
@needs("browse")
def presence(request: HttpRequest) -> HttpResponse:
    """Note which label this person looks at, and say at which others look."""
    form = PresenceForm(request.POST)
    label = scoped(request.user, IntentLabel).filter(pk=form.kept["label"]).first()
    if label:
        presence_note(person(request), label)
    return render(request, "annotation/merge/presence.html", {"present": presence_now(person(request))})
