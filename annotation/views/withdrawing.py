"""The withdrawal of a corpus: what derives from it is shown first, and its name has to be typed."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.corpora import WithdrawForm
from annotation.derived import told
from annotation.models import Corpus
from annotation.withdrawing import Busy, busy, is_whole, withdrawal_start
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.method import run_name
from madsafe_web.core.people import person


@require_http_methods(["GET", "HEAD", "POST"])
@needs("run")
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what derives from the corpus; by POST with its name, start the run that withdraws it."""
    corpus = get_object_or_404(scoped(request.user, Corpus), pk=pk)
    if not is_whole(corpus):
        raise Http404
    form, status = WithdrawForm(corpus), 200
    if request.method == "POST":
        form, status = WithdrawForm(corpus, request.POST), 422
        if form.is_valid():
            try:
                return redirect("runs:detail", withdrawal_start(user=person(request), corpus=corpus).pk)
            except Busy as error:
                text = _("%(runs)s may be writing what derives from the corpus. Wait for them, or pause them.")
                form.add_error(None, text % {"runs": ", ".join(error.names)})
                status = 409
    context = {"corpus": corpus, "derived": told(corpus), "busy": [run_name(run) for run in busy()], "form": form}
    return render(request, "annotation/corpus_withdraw.html", context, status=status)
