"""The pages of what providers refused: by stage and run, and of one run by category."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from madsafe_web.core.access import needs, scoped
from madsafe_web.core.method import NUMBER_OF, run_name
from madsafe_web.core.models import Run
from madsafe_web.core.runs import refused_pages


@require_GET
@needs("browse")
def refusals(request: HttpRequest) -> HttpResponse:
    runs = scoped(request.user, Run)
    lines = refused_pages.by_run(runs)
    context = {"stages": refused_pages.by_stage(runs, lines), "runs": lines[: refused_pages.NEWEST]}
    return render(request, "runs/refusals.html", context)


@require_GET
@needs("browse")
def refused(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    context = {
        "run": run,
        "name": run_name(run),
        "lines": refused_pages.by_run(scoped(request.user, Run).filter(pk=pk)),
        "categories": refused_pages.by_category(run),
        "method_current": NUMBER_OF.get(run.stage, 0),
    }
    return render(request, "runs/run_refused.html", context)
