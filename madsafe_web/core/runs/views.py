"""The pages of runs: what is in work, how it goes, and the buttons that pause, resume and cancel it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from madsafe_web.core.access import can, needs, scoped
from madsafe_web.core.method import NUMBER_OF, STAGES, run_name
from madsafe_web.core.models import Run
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person
from madsafe_web.core.runs import deadline, pages, service
from madsafe_web.core.runs.errors import ConfigError, StageError
from madsafe_web.core.runs.failed_pages import failed_lines, file_of
from madsafe_web.core.runs.retrying import run_reread, run_retry
from madsafe_web.core.runs.stage import Outcome
from madsafe_web.core.runs.starting import WITH_A_PAGE_OF_THEIR_OWN, run_queue
from madsafe_web.core.wording import worded

STOP_POLLING = 286  # htmx's word for "swap this and ask no more"
STAGE_CHOICES = [(stage, words[0]) for stage, words in STAGES.items()]


class FilterForm(forms.Form):
    """The filters of the list; a value that is none of the choices filters nothing."""

    stage = forms.ChoiceField(required=False, choices=STAGE_CHOICES)
    state = forms.ChoiceField(required=False, choices=Run.State.choices)


class KindForm(forms.Form):
    """One class of errors, as the page of a run names it; "" means all of them."""

    kind = forms.CharField(required=False, max_length=40)


class StartForm(forms.Form):
    stage = forms.ChoiceField(choices=[(stage, stage) for stage in STAGES if stage not in WITH_A_PAGE_OF_THEIR_OWN])


@require_GET
@needs("browse")
def run_list(request: HttpRequest) -> HttpResponse:
    form = FilterForm(request.GET)
    form.is_valid()
    filters = {name: form.cleaned_data.get(name) or "" for name in ("stage", "state")}
    rows = scoped(request.user, Run).filter(**{name: value for name, value in filters.items() if value})
    page = newest_first(rows.defer("outputs"), request.GET)  # a dry run's are large
    context = {
        "runs": pages.run_lines(page.rows),
        "pager": page.pager,
        "filters": filters,
        "stages": [{"value": value, "label": label} for value, label in STAGE_CHOICES],
        "states": [{"value": value, "label": label} for value, label in Run.State.choices],
    }
    return render(request, "runs/run_list.html", context)


@require_GET
@needs("browse")
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    context = fragment(request, run)
    context |= {"parameters": pages.parameters(run), "method_current": NUMBER_OF.get(run.stage, 0), "stage": run.stage}
    context["may_run"] = can(request.user, "run")
    return render(request, "runs/run_detail.html", context)


@require_GET
@needs("browse")
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    context = fragment(request, run)
    status = 200 if context["run"].live else STOP_POLLING
    return render(request, "runs/run_detail.html#run-progress", context, status=status)


def fragment(request: HttpRequest, run: Run) -> dict[str, Any]:
    """What the polled part of a run's page shows."""
    return {
        "run": pages.run_shown(run, person(request)),
        "chunks": pages.chunks(run),
        "errors": pages.errors(run),
        "log": pages.log(run),
    }


@require_POST
@needs("run")
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    if not service.run_pause(run, person(request)):
        messages.warning(request, _("%(run)s is not in work, so there is nothing to pause.") % {"run": run_name(run)})
    return redirect("runs:detail", pk)


@require_POST
@needs("run")
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    if not service.run_cancel(run, person(request)):
        messages.warning(request, _("%(run)s has already ended.") % {"run": run_name(run)})
    return redirect("runs:detail", pk)


@require_POST
@needs("run")
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    if deadline.late(run):
        messages.warning(request, _("Its deadline has passed: give it a later one, or none, then resume."))
        return redirect("runs:edit", pk)
    queue(request, run, "run.resume")
    return redirect("runs:detail", pk)


@require_GET
@needs("browse")
def failed(request: HttpRequest, pk: int) -> HttpResponse:
    """The rows of a run that failed, all or those of one class."""
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    form = KindForm(request.GET)
    kind = form.cleaned_data["kind"] if form.is_valid() else ""
    page = newest_first(pages.listed_rows(run, kind), request.GET)
    shown, errors = pages.run_shown(run, person(request)), pages.errors(run)
    context = {
        "run": shown,
        "errors": errors,
        "kind": kind,
        "reads_file": bool(file_of(run)),
        "rows": failed_lines(run, page.rows, replies=can(request.user, "run")),
        "can_reread": shown.can_reread and any(line.kind == Outcome.UNPARSED for line in errors),
        "pager": page.pager,
        "method_current": NUMBER_OF.get(run.stage, 0),
    }
    return render(request, "runs/run_failed.html", context)


@require_POST
@needs("run")
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the failed rows again, all or those of one class."""
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    form = KindForm(request.POST)
    try:
        # What cannot be a class has no rows: it must not mean all of them.
        rows = run_retry(run=run, user=person(request), kind=form.cleaned_data["kind"]) if form.is_valid() else 0
    except StageError as error:
        messages.error(request, worded(str(error)))
        return redirect("runs:detail", pk)
    if rows:
        text = ngettext("%(count)s failed row is asked again.", "%(count)s failed rows are asked again.", rows)
        messages.success(request, text % {"count": rows})
    else:
        messages.warning(request, _("There is no failed row to ask again, or the run is in work."))
    return redirect("runs:detail", pk)


@require_POST
@needs("run")
def reread(request: HttpRequest, pk: int) -> HttpResponse:
    """Read the stored replies of the rows that were not understood once more, without any call."""
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    try:
        rows = run_reread(run=run, user=person(request))
    except StageError as error:
        messages.error(request, worded(str(error)))
        return redirect("runs:detail", pk)
    if rows:
        text = ngettext(
            "The reply of %(count)s row is read again.", "The replies of %(count)s rows are read again.", rows
        )
        messages.success(request, text % {"count": rows})
    else:
        messages.warning(request, _("There is no reply to read again, or the run is in work."))
    return redirect("runs:detail", pk)


@require_POST
@needs("run")
def start(request: HttpRequest) -> HttpResponse:
    """Make a run of a stage with its default parameters, and queue it."""
    form = StartForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("There is no such stage to start."))
        return redirect("runs:list")
    try:
        run = service.run_create(stage_name=form.cleaned_data["stage"], values={}, user=person(request))
    except ConfigError as error:
        messages.error(request, str(error))
        return redirect("runs:list")
    queue(request, run, "run.start")
    return redirect("runs:detail", run.pk)


def queue(request: HttpRequest, run: Run, verb: str) -> None:
    """Queue a run, or say why not; what a run lacks to start stands on the run itself."""
    try:
        started = run_queue(run=run, user=person(request), verb=verb)
    except ConfigError as error:
        messages.error(request, str(error))
        return
    if not started and not run.error:
        messages.warning(request, _("%(run)s is already in work or has ended.") % {"run": run_name(run)})
