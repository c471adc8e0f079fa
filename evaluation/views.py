"""The results pages: base against tuned, and the same numbers as CSV."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotation.selectors import categories_at
from evaluation import origins, pages, selectors
from evaluation.rows import BENCHMARKS, taxonomy_version
from evaluation.selectors import BenchmarkResult
from evaluation.withdrawing import marks
from madsafe_web.core.access import can, needs
from madsafe_web.core.audit import audit
from madsafe_web.core.charts.parts import Table
from madsafe_web.core.models import Run
from madsafe_web.core.people import person


@require_GET
@needs("browse")
def results(request: HttpRequest) -> HttpResponse:
    """The newest finished evaluation. Without `benchmark` the first one that it has; 404 for an unknown one."""
    wanted = request.GET.get("benchmark", "")
    if wanted and wanted not in BENCHMARKS:
        raise Http404
    run = selectors.newest_run()
    found = selectors.results(run) if run else []
    slug = wanted or (found[0].benchmark if found else BENCHMARKS[0])
    result = next((one for one in found if one.benchmark == slug), None)
    context: dict[str, Any] = {"scores": pages.cards(found, slug) if found else []}
    if run and result:
        context |= shown(run, result, can(request.user, "review"))
    return render(request, "evaluation/results.html", context)


def shown(run: Run, result: BenchmarkResult, may_review: bool) -> dict[str, Any]:
    """What the page says of one benchmark."""
    by_code = categories_at(taxonomy_version(result.settings))
    reviews = origins.review_counts(run)
    review = {"url": reverse("annotation:review"), "text": _("Review the uncertain answers")}
    return {
        "comparison": {"base": result.base_endpoint, "tuned": result.tuned_endpoint},
        "notes": [
            *(pages.Note("unsafe", text) for text in marks(run, result.benchmark)),
            *pages.notes(result, reviews, may_review),
        ],
        "benchmark": pages.benchmark_head(result),
        "rows": pages.rows(result, by_code),
        "total": pages.row_shown(result, result.total, by_code),
        "figure": pages.figure(result, by_code),
        "provenance": origins.provenance(run, result),
        "trust": origins.trust(run, result, reviews),
        "next_action": review if result.open and may_review else None,
    }


@require_POST
@needs("browse")
def results_csv(request: HttpRequest, benchmark: str) -> HttpResponse:
    """The table of one benchmark in full precision, scores in 0..1; 404 where it was not evaluated.

    By POST, since it writes down who took the figures out.
    """
    run = selectors.newest_run()
    result = next((one for one in selectors.results(run) if one.benchmark == benchmark), None) if run else None
    if run is None or result is None:
        raise Http404
    table = marked(result)
    audit(person(request), "results.export", str(run), benchmark=benchmark, rows=len(table.rows))
    response = HttpResponse(table.to_csv(), content_type="text/csv; charset=utf-8")
    name = f"madsafe-{benchmark}-run-{run.pk}{'-offline-rules' if result.offline_rules else ''}.csv"
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or ""
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def marked(result: BenchmarkResult) -> Table:
    """The table with a column that follows the numbers wherever they go: whether they stem from the offline rules."""
    table = selectors.category_table(result)
    mark = "yes" if result.offline_rules else "no"
    return Table((*table.columns, "Offline rules"), tuple((*row, mark) for row in table.rows))
