"""Figures about what the corpora consist of; each as CSV too."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from annotation.pages.distributions import Drawn, figures
from madsafe_web.core.access import needs


@require_safe
@needs("browse")
def distributions(request: HttpRequest) -> HttpResponse:
    drawn = figures()
    if "csv" in request.GET:
        return figure_csv(drawn, request.GET["csv"])
    return render(request, "annotation/distributions.html", {"figures": drawn})


def figure_csv(drawn: Iterable[Drawn], wanted: str) -> HttpResponse:
    """All numbers of the figure with this id, as a file. Raises Http404."""
    for figure in drawn:
        if figure.id == wanted:
            response = HttpResponse(figure.chart.table.to_csv(), content_type="text/csv; charset=utf-8")
            response.headers["Content-Disposition"] = content_disposition_header(True, f"{figure.id}.csv") or ""
            return response
    raise Http404
