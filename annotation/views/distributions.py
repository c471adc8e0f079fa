"""Figures about what the corpora consist of; each as CSV too."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from annotation.forms import DistributionFilter
from annotation.pages.distributions import distributions_context
from annotation.pages.drawn import Drawn
from madsafe_web.core.access import needs


@require_safe
@needs("browse")
def distributions(request: HttpRequest) -> HttpResponse:
    filters = DistributionFilter(request.GET)
    context = distributions_context(filters)
    if "csv" in request.GET:
        return figure_csv(context["figures"], request.GET["csv"])
    if filters.refused:
        messages.warning(request, _("A part of the address could not be used and was left out."))
    return render(request, "annotation/distributions.html", context)


def figure_csv(drawn: Iterable[Drawn], wanted: str) -> HttpResponse:
    """All numbers of the figure with this id, as a file. Raises Http404."""
    for figure in drawn:
        if figure.id == wanted:
            response = HttpResponse(figure.chart.table.to_csv(), content_type="text/csv; charset=utf-8")
            response.headers["Content-Disposition"] = content_disposition_header(True, f"{figure.id}.csv") or ""
            return response
    raise Http404
