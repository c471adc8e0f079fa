"""The pages of alignment sets and trainings."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from madsafe_web.core.access import can, needs, scoped
from madsafe_web.core.method import run_name
from madsafe_web.core.models import Run
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.views import STOP_POLLING
from pipeline import launching, set_pages, training_pages
from pipeline.models import AlignmentSet
from pipeline.training.preflight import Problem


@require_GET
@needs("browse")
def set_list(request: HttpRequest) -> HttpResponse:
    page = newest_first(scoped(request.user, AlignmentSet).select_related("merge_map"), request.GET)
    return render(request, "pipeline/set_list.html", {"sets": set_pages.set_lines(page.rows), "pager": page.pager})


@require_GET
@needs("browse")
def set_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One set. As in the parameters of a training, 0 means the newest frozen one."""
    if pk == 0:
        newest = launching.frozen_sets(person(request)).first()
        return redirect("pipeline:set", newest.pk) if newest else redirect("pipeline:sets")
    made = get_object_or_404(scoped(request.user, AlignmentSet).select_related("merge_map", "run"), pk=pk)
    return render(request, "pipeline/set_detail.html", set_pages.set_context(made, person(request)))


@require_POST
@needs("export")
def set_file(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """The exported samples or the card, to save. By POST, since it writes down who took what out."""
    made = get_object_or_404(scoped(request.user, AlignmentSet), pk=pk)
    path = set_pages.file_of(made, kind)
    if path is None:
        raise Http404
    set_pages.download_note(user=person(request), made=made, path=path)
    file = FileResponse(path.open("rb"), as_attachment=True, filename=path.name)
    return cast(HttpResponse, file)  # a streamed response, which only Django's types tell apart


@require_GET
@needs("browse")
def training_list(request: HttpRequest) -> HttpResponse:
    page = newest_first(training_pages.with_points(scoped(request.user, Run)), request.GET)
    context = {
        "trainings": training_pages.training_lines(page.rows),
        "pager": page.pager,
        "can_launch": can(request.user, "train"),
    }
    return render(request, "pipeline/training_list.html", context)


def training_run(request: HttpRequest, pk: int) -> Run:
    """The run of a training, with what its pages read. Raises Http404."""
    runs = scoped(request.user, Run).filter(stage="train").select_related("training__alignment_set")
    return get_object_or_404(runs, pk=pk)


@require_GET
@needs("browse")
def training_detail(request: HttpRequest, pk: int) -> HttpResponse:
    context = training_pages.page_context(training_run(request, pk), person(request))
    return render(request, "pipeline/training_detail.html", context)


@require_GET
@needs("browse")
def training_progress(request: HttpRequest, pk: int) -> HttpResponse:
    context = training_pages.progress_context(training_run(request, pk), person(request))
    status = 200 if context["training"].live else STOP_POLLING
    return render(request, "pipeline/training_detail.html#training-progress", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("train")
def training_launch(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return launch(request)
    form, problems = launching.first_form(person(request), request.GET.get("set", ""))
    return render(request, "pipeline/training_launch.html", {"form": form, "problems": problems})


def launch(request: HttpRequest) -> HttpResponse:
    """Start what the form says, or show the form again with what stands in the way."""
    form = launching.LaunchForm(person(request), request.POST)
    problems: list[Problem] = []
    if form.is_valid():
        chosen = form.cleaned_data
        problems = launching.problems(chosen["set"], chosen["base_endpoint"], form.values())
        if not problems:
            try:
                run = launching.training_launch(user=person(request), values=form.values())
            except ConfigError as error:
                form.add_error(None, str(error))
            else:
                return redirect("pipeline:training", run.pk)
    return render(request, "pipeline/training_launch.html", {"form": form, "problems": problems}, status=422)


@require_POST
@needs("train")
def training_stop(request: HttpRequest, pk: int) -> HttpResponse:
    run = training_run(request, pk)
    if not launching.training_stop(user=person(request), run=run):
        messages.warning(request, _("%(run)s has already ended.") % {"run": run_name(run)})
    return redirect("pipeline:training", pk)
