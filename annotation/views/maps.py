"""The versions of the merge map: list, one version, the diff of two, files, and the labelling runs of the draft."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.forms import RunsForm
from annotation.merge.drafts import map_runs_choose
from annotation.merge.exports import KINDS, map_export
from annotation.models import MergeMap
from annotation.pages.maps import diff_context, map_context, maps_context
from annotation.views.label_files import form_for
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.people import person
from madsafe_web.core.runs.errors import StageError

TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


def _map(request: HttpRequest, version: int) -> MergeMap:
    rows = scoped(request.user, MergeMap).select_related("parent", "author", "taxonomy")
    return get_object_or_404(rows, version=version)


@require_safe
@needs("browse")
def maps(request: HttpRequest) -> HttpResponse:
    user = person(request)
    context = {**maps_context(user, request.GET), "label_form": form_for(user)}
    return render(request, "annotation/map_list.html", context)


@require_safe
@needs("browse")
def map_one(request: HttpRequest, version: int) -> HttpResponse:
    context = map_context(person(request), _map(request, version), request.GET)
    return render(request, "annotation/map_detail.html", context)


@require_safe
@needs("browse")
def map_changes(request: HttpRequest, version: int) -> HttpResponse:
    context = diff_context(person(request), _map(request, version), request.GET)
    return render(request, "annotation/map_diff.html", context)


@require_POST
@needs("export")
def map_file(request: HttpRequest, version: int, kind: str) -> HttpResponse:
    """The version as a file. By POST, since it writes down who took it out."""
    row = _map(request, version)
    if kind not in KINDS:
        raise Http404
    pieces = map_export(user=person(request), merge_map=row, kind=kind)
    response = StreamingHttpResponse(pieces, content_type=TYPES[kind])
    response.headers["Content-Disposition"] = content_disposition_header(True, f"map-{row}.{kind}") or ""
    return cast(HttpResponse, response)  # a streamed response, which only Django's types tell apart


@require_POST
@needs("publish")
def map_runs(request: HttpRequest, version: int) -> HttpResponse:
    """Choose the labelling runs that the draft reads."""
    row, form = _map(request, version), RunsForm(request.POST)
    try:
        runs = form.cleaned_data["runs"] if form.is_valid() else []
        map_runs_choose(user=person(request), draft=row, runs=runs)
    except StageError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Saved. The draft reads these labelling runs."))
    return redirect("annotation:map", version)
