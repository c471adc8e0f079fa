"""Figures about what the corpora consist of; each as CSV too."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from annotation.pages.distributions import figures
from madsafe_web.core.access import needs


@require_safe
@needs("browse")
def distributions(request: HttpRequest) -> HttpResponse:
    drawn = figures()
    wanted = request.GET.get("csv")
    if wanted is None:
        return render(request, "annotation/distributions.html", {"figures": drawn})
    for figure in drawn:
        if figure.id == wanted:
            response = HttpResponse(figure.chart.table.to_csv(), content_type="text/csv; charset=utf-8")
            response.headers["Content-Disposition"] = content_disposition_header(True, f"{figure.id}.csv") or ""
            return response
    raise Http404
