"""Publishing the draft of the merge map, and ending a merge run that waits for people."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from annotation.forms import MapForm
from annotation.merge import drafts
from annotation.merging import merge_finish
from annotation.models import MergeMap
from annotation.pages.publishing import publish_context
from annotation.selectors import merge_waiting
from annotation.views.merge import merge_page
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.people import person
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.tasks import enqueue


def _draft(request: HttpRequest) -> tuple[MergeMap, MapForm]:
    """The map that the form names, and the form. Raises Http404 when there is no such map."""
    form = MapForm(request.POST)
    if not form.is_valid():
        raise Http404
    return get_object_or_404(scoped(request.user, MergeMap), pk=form.cleaned_data["map"]), form


@require_http_methods(["GET", "HEAD", "POST"])
@needs("publish")
def map_publish(request: HttpRequest) -> HttpResponse:
    """What would change, with the question; by POST the draft is published."""
    if request.method != "POST":
        return render(request, "annotation/map_publish.html", publish_context())
    draft, form = _draft(request)
    if merge_waiting():
        messages.error(request, _("A merge run waits for people. Press “Finish merging” instead."))
        return merge_page(request, status=409)
    try:
        asked = form.cleaned_data
        published = drafts.map_publish(draft, person(request), asked["note"], asked["seen"])
    except drafts.DraftChanged as error:
        messages.error(request, str(error))
        return render(request, "annotation/map_publish.html", publish_context(), status=409)
    except StageError as error:
        messages.error(request, str(error))
        return merge_page(request, status=409)
    messages.success(request, _("Map v%(version)s is published.") % {"version": published.version})
    return redirect("annotation:merge")


@require_POST
@needs("publish")
def finish(request: HttpRequest) -> HttpResponse:
    _draft(request)
    run = merge_waiting()
    if run is None or not merge_finish(run, person(request)):
        messages.error(request, _("No merge run waits any more."))
        return merge_page(request, status=409)
    enqueue(run)
    messages.success(request, _("Merging is finished; the run goes on."))
    return redirect("annotation:merge")
