"""The corpora, the import of a file, and one corpus with what was rejected of its file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from annotation.models import Corpus
from annotation.pages.corpora import corpora_shown, corpus_context
from annotation.uploading import UploadForm, corpus_import
from madsafe_web.core.access import can, needs, scoped
from madsafe_web.core.people import person


@require_http_methods(["GET", "HEAD", "POST"])
@needs("browse")
def corpora(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return corpus_upload(request)
    return _page(request, UploadForm() if can(request.user, "run") else None)


@needs("run")
def corpus_upload(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form, 422)
    run = corpus_import(user=person(request), values=form.cleaned_data)
    return redirect("runs:detail", run.pk)


def _page(request: HttpRequest, form: UploadForm | None, status: int = 200) -> HttpResponse:
    context = {"corpora": corpora_shown(scoped(request.user, Corpus)), "upload_form": form}
    return render(request, "annotation/corpus_list.html", context, status=status)


@require_safe
@needs("browse")
def corpus(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(scoped(request.user, Corpus), pk=pk)
    return render(request, "annotation/corpus_detail.html", corpus_context(row))
