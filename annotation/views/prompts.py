"""The explorer of prompts, what leaves it, and one prompt with where it came from."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.catalogue.held import NotReady
from annotation.catalogue.wanted import FACETS, SCORES
from annotation.exporting import CONTENT_TYPES, page_copy, prompts_export
from annotation.models import Prompt
from annotation.pages.explorer import explorer_context, map_asked, view_of
from annotation.pages.facets import facet_counted, scores_counted
from annotation.pages.prompts import prompt_context, prompts_shown
from annotation.prompt_filter import PromptFilter
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.people import person


@require_safe
@needs("browse")
def prompts(request: HttpRequest) -> HttpResponse:
    filters = PromptFilter(request.GET)
    if filters.refused:
        messages.warning(request, _("A part of the filter could not be used and was left out."))
    context = explorer_context(person(request), filters)
    if not getattr(request, "htmx", False):
        return render(request, "annotation/prompt_list.html", context)
    response = render(request, "annotation/prompt_list.html#results", context)
    response.headers["HX-Push-Url"] = f"{request.path}?{context['address']}" if context["address"] else request.path
    return response


@require_safe
@needs("browse")
def prompts_facet(request: HttpRequest, name: str) -> HttpResponse:
    """The values of one facet with their counts, or the three scores: fragments that the explorer asks for."""
    filters = PromptFilter(request.GET)
    merge_map = map_asked(filters)
    if name == SCORES:
        return render(request, "annotation/prompt_scores.html", {"scores": scores_counted(filters, merge_map)})
    if name not in FACETS:
        raise Http404
    response = render(request, "annotation/prompt_facet.html", {"facet": facet_counted(filters, merge_map, name)})
    if name == "label" and (address := _searched(request, filters)):
        response.headers["HX-Replace-Url"] = address
    return response


def _searched(request: HttpRequest, filters: PromptFilter) -> str:
    """The address of the page that asks with what is looked for among the labels; "" where it says more than that."""
    try:
        shown = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return ""
    at = PromptFilter(QueryDict(shown.query))
    if not shown.path or at.address(label_q=None) != filters.address(label_q=None):
        return ""  # a change of the filter is on its way, and brings its own address
    query = at.address(label_q=filters.text("label_q"), page=at.kept["page"])
    return f"{shown.path}?{query}" if query else shown.path


@require_POST
@needs("browse")
def prompts_page(request: HttpRequest, kind: str) -> HttpResponse:
    """The page of the list as JSON or CSV. By POST, since it writes down who took it."""
    if kind not in ("json", "csv"):
        raise Http404
    filters, user = PromptFilter(request.GET), person(request)
    merge_map = map_asked(filters)
    view = view_of(user, filters, merge_map)
    shown = prompts_shown(view.rows, merge_map)
    copy = page_copy(user=user, filters=filters, view=view, shown=shown, kind=kind)
    response = HttpResponse(copy.content)
    response.headers["X-Left-Out"] = str(copy.left_out)
    return _as_file(response, f"madsafe-prompts-page-{view.pages.number}", kind)


@require_POST
@needs("export")
def prompts_file(request: HttpRequest, kind: str) -> HttpResponse:
    """All prompts that fit the filter of the address, as JSONL or CSV, while they are read."""
    if kind not in ("jsonl", "csv"):
        raise Http404
    filters = PromptFilter(request.GET)
    try:
        made = prompts_export(user=person(request), filters=filters, merge_map=map_asked(filters), kind=kind)
    except NotReady:
        messages.error(request, _("The file could not be made. Try again, and tell your administrator if it stays so."))
        return redirect(f"{reverse('annotation:prompts')}?{filters.address()}")
    response = cast(HttpResponse, StreamingHttpResponse(made.pieces))  # only Django's types tell them apart
    response.headers["X-Rows"] = str(made.count)
    response.headers["X-Left-Out"] = str(made.barred + made.withdrawn)
    return _as_file(response, f"madsafe-prompts-{timezone.localtime():%Y%m%d-%H%M%S}", kind)


def _as_file(response: HttpResponse, name: str, kind: str) -> HttpResponse:
    response.headers["Content-Type"] = CONTENT_TYPES[kind]
    response.headers["Content-Disposition"] = content_disposition_header(True, f"{name}.{kind}") or ""
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@require_safe
@needs("browse")
def prompt(request: HttpRequest, pk: int) -> HttpResponse:
    rows = scoped(request.user, Prompt).select_related("corpus", "run", "state_run")
    row = get_object_or_404(rows, pk=pk)
    return render(request, "annotation/prompt_detail.html", prompt_context(row, person(request)))
