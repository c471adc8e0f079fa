"""The corpora, and one corpus with what was rejected of its files."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.corpora import (
    CorrectedForm,
    UseForm,
    corpus_change,
    corrected_import,
    takes_corrections,
)
from annotation.models import Corpus
from annotation.pages.corpora import corpora_shown, corpus_context
from annotation.rejects import rejects_export
from annotation.uploading import is_full
from annotation.views.distributions import figure_csv
from annotation.withdrawing import is_whole
from madsafe_web.core.access import can, needs, scoped
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person


@require_safe
@needs("browse")
def corpora(request: HttpRequest) -> HttpResponse:
    page = newest_first(scoped(request.user, Corpus), request.GET)
    may_import = can(request.user, "run")
    context = {"corpora": corpora_shown(page.rows), "pager": page.pager, "may_import": may_import}
    return render(request, "annotation/corpus_list.html", context)


@require_safe
@needs("browse")
def corpus(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(scoped(request.user, Corpus), pk=pk)
    return _corpus_page(request, row)


def _corpus_page(
    request: HttpRequest, row: Corpus, corrected: CorrectedForm | None = None, status: int = 200
) -> HttpResponse:
    context = corpus_context(row, request.GET)
    if "csv" in request.GET:
        return figure_csv(context["figures"], request.GET["csv"])
    if can(request.user, "run") and row.withdrawn is None:
        context["use_form"] = UseForm(initial={"licence": row.licence, "exportable": row.exportable})
        context["corrected_form"] = (corrected or CorrectedForm()) if takes_corrections(row) else None
    context["can_withdraw"] = can(request.user, "run") and is_whole(row)
    context["can_export"] = can(request.user, "export")
    return render(request, "annotation/corpus_detail.html", context, status=status)


@require_POST
@needs("run")
def corpus_use(request: HttpRequest, pk: int) -> HttpResponse:
    """Change the licence and whether what derives from the corpus may be exported."""
    row = get_object_or_404(scoped(request.user, Corpus), pk=pk)
    form = UseForm(request.POST)
    if form.is_valid():
        corpus_change(user=person(request), corpus=row, **form.cleaned_data)
        messages.success(request, _("Saved. Later exports follow it."))
    else:
        messages.error(request, _("The licence is too long. Nothing was changed."))
    return redirect("annotation:corpus", pk)


@require_POST
@needs("run")
def corpus_corrected(request: HttpRequest, pk: int) -> HttpResponse:
    """Import rejected rows again that somebody corrected."""
    row = get_object_or_404(scoped(request.user, Corpus), pk=pk)
    if not takes_corrections(row):
        raise Http404
    form = CorrectedForm(request.POST, request.FILES)
    if not form.is_valid():
        return _corpus_page(request, row, form, 422)
    try:
        run = corrected_import(user=person(request), corpus=row, file=form.cleaned_data["file"])
    except OSError as error:
        if not is_full(error):
            raise
        form.add_error("file", _("The server's disk is full. Nothing was imported; make room, then try again."))
        return _corpus_page(request, row, form, 507)
    return redirect("runs:detail", run.pk)


@require_POST
@needs("export")
def corpus_rejects(request: HttpRequest, pk: int) -> HttpResponse:
    """The rejected rows as a file. By POST, since it writes down who took what out."""
    row = get_object_or_404(scoped(request.user, Corpus), pk=pk)
    pieces = rejects_export(user=person(request), corpus=row)
    response = StreamingHttpResponse(pieces, content_type="application/x-ndjson")
    response.headers["Content-Disposition"] = content_disposition_header(True, f"{row.name}.rejected.jsonl") or ""
    return cast(HttpResponse, response)  # a streamed response, which only Django's types tell apart
