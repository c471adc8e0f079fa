"""A file of labels that others gave, sent from the page of the map versions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from annotation.label_import import label_import_start
from annotation.models import Corpus
from annotation.pages.maps import maps_context
from annotation.uploading import is_full, keep, not_too_large
from madsafe_web.core.access import can, needs, scoped
from madsafe_web.core.models import User
from madsafe_web.core.people import person


class LabelFileForm(forms.Form):
    """A file of labels, and the corpus that its rows name prompts of."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("JSONL, JSON or CSV: rows with a label, or with the traceid of a prompt and a label."),
    )
    corpus: forms.ModelChoiceField[Corpus] = forms.ModelChoiceField(
        label=gettext_lazy("Labels of prompts of"),
        queryset=None,
        required=False,
        empty_label=gettext_lazy("none: labels alone"),
    )

    def __init__(self, *args: Any, corpora: QuerySet[Corpus], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["corpus"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = corpora

    def clean_file(self) -> Any:
        return not_too_large(self.cleaned_data["file"])


def form_for(user: User, *sent: Any) -> LabelFileForm | None:
    """The form as it was sent, or an empty one; None for who imports nothing."""
    if not can(user, "run"):
        return None
    return LabelFileForm(*sent, corpora=scoped(user, Corpus).filter(withdrawn=None).order_by("name"))


@require_POST
@needs("run")
def label_import(request: HttpRequest) -> HttpResponse:
    """Start the import of a file of labels, or show the run of the same file before."""
    user = person(request)
    form = form_for(user, request.POST, request.FILES)
    assert form is not None
    if not form.is_valid():
        return _page(request, form, 422)
    corpus = form.cleaned_data["corpus"]
    try:
        path = keep(form.cleaned_data["file"])
        run, _new = label_import_start(user=user, path=path, corpus=corpus.pk if corpus else None)
    except OSError as error:
        if not is_full(error):
            raise
        form.add_error("file", _("The server's disk is full. Nothing was imported; make room, then try again."))
        return _page(request, form, 507)
    return redirect("runs:detail", run.pk)


def _page(request: HttpRequest, form: LabelFileForm, status: int) -> HttpResponse:
    context = {**maps_context(person(request), request.GET), "label_form": form}
    return render(request, "annotation/map_list.html", context, status=status)
