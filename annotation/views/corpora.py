"""The corpora, and one corpus with what was rejected of its file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from annotation.models import Corpus
from annotation.pages.corpora import corpora_shown, corpus_context
from madsafe_web.core.access import can, needs, scoped


@require_safe
@needs("browse")
def corpora(request: HttpRequest) -> HttpResponse:
    context = {"corpora": corpora_shown(scoped(request.user, Corpus)), "may_import": can(request.user, "run")}
    return render(request, "annotation/corpus_list.html", context)


@require_safe
@needs("browse")
def corpus(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(scoped(request.user, Corpus), pk=pk)
    return render(request, "annotation/corpus_detail.html", corpus_context(row))
