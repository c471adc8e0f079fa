"""A file on its way to a corpus: sent in pieces or at once, previewed, then imported or forgotten."""

from __future__ import annotations

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from annotation.importers.base import ImportOptions
from annotation.models import Upload
from annotation.pages.uploads import preview_context, uploads_shown
from annotation.pieces import (
    PIECE_BYTES,
    OtherOffset,
    UploadError,
    held,
    path_of,
    piece_add,
    upload_begin,
    upload_cancel,
    upload_settle,
    upload_whole,
)
from annotation.previewing import (
    PreviewForm,
    own,
    preview_import,
    proposal_first,
    proposal_of,
    values_shown,
)
from annotation.uploading import is_full
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.people import person
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.wording import worded

LARGEST = 2**62  # bytes, of what a form may say


class BeginForm(forms.Form):
    name = forms.CharField(max_length=200)
    size = forms.IntegerField(min_value=1, max_value=LARGEST)
    modified = forms.IntegerField(min_value=-LARGEST, max_value=LARGEST, required=False)
    head = forms.FileField(required=False)

    def clean_modified(self) -> int:
        return self.cleaned_data["modified"] or 0


class PieceForm(forms.Form):
    offset = forms.IntegerField(min_value=0, max_value=LARGEST)
    piece = forms.FileField()


@require_http_methods(["GET", "HEAD", "POST"])
@needs("run")
def upload(request: HttpRequest) -> HttpResponse:
    """Choose a file; without a script it comes in one request."""
    if request.method != "POST":
        return _upload_page(request)
    file = request.FILES.get("file")
    if file is None:
        return _upload_page(request, _("Choose a file first."), 422)
    try:
        kept = upload_whole(user=person(request), file=file)
    except UploadError as error:
        return _upload_page(request, str(error), error.status)
    except OSError as error:
        return _full_page(request, error)
    return redirect("annotation:upload-preview", kept.token)


def _upload_page(request: HttpRequest, problem: str = "", status: int = 200) -> HttpResponse:
    context = {"uploads": uploads_shown(scoped(request.user, Upload)), "problem": problem}
    return render(request, "annotation/upload.html", context, status=status)


def _full_page(request: HttpRequest, error: OSError) -> HttpResponse:
    """What to do about a full disk; other errors of the system are raised on."""
    if not is_full(error):
        raise error
    problem = _("The server's disk is full. Nothing was imported; make room, then try again.")
    return _upload_page(request, problem, 507)


@require_POST
@needs("run")
def begin(request: HttpRequest) -> JsonResponse:
    """Begin to send a file, or go on with it: says where its pieces go and how many bytes are there."""
    form = BeginForm(request.POST, request.FILES)
    if not form.is_valid():
        return _problem(_("The file is empty, or its name or size could not be read."), 422)
    try:
        row = upload_begin(user=person(request), **form.cleaned_data)
    except UploadError as error:
        return _problem(str(error), error.status)
    return JsonResponse(
        {
            "offset": held(row),
            "piece_bytes": PIECE_BYTES,
            "piece_url": reverse("annotation:upload-piece", args=[row.token]),
            "next_url": reverse("annotation:upload-preview", args=[row.token]),
        }
    )


@require_POST
@needs("run")
def piece(request: HttpRequest, token: str) -> JsonResponse:
    """Take one piece; 409 with the right offset for one that begins elsewhere."""
    row = get_object_or_404(scoped(request.user, Upload), token=token)
    form = PieceForm(request.POST, request.FILES)
    if not form.is_valid():
        return _problem(_("The piece could not be read."), 422)
    try:
        return JsonResponse({"offset": piece_add(upload=row, **form.cleaned_data)})
    except OtherOffset as error:
        return JsonResponse({"offset": error.offset}, status=409)
    except UploadError as error:
        return _problem(str(error), error.status)


def _problem(text: str, status: int) -> JsonResponse:
    return JsonResponse({"error": text}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("run")
def preview(request: HttpRequest, token: str) -> HttpResponse:
    """The first rows as they would be stored; by POST in another way, or imported, or the file is forgotten."""
    row = get_object_or_404(scoped(request.user, Upload), token=token)
    if request.POST.get("do") == "remove":
        upload_cancel(upload=row)
        return redirect("annotation:upload")
    upload_settle(upload=row)
    if not row.path or not path_of(row).is_file():
        return redirect("annotation:upload")
    try:
        return _preview_post(request, row) if request.method == "POST" else _preview_first(request, row)
    except FileNotFoundError:
        return redirect("annotation:upload")  # imported or removed by another request meanwhile
    except OSError as error:
        return _full_page(request, error)


def _preview_first(request: HttpRequest, row: Upload) -> HttpResponse:
    proposal, initial = proposal_first(row)
    context = preview_context(row, PreviewForm(initial=initial), proposal, {})
    return render(request, "annotation/upload_preview.html", context)


def _preview_post(request: HttpRequest, row: Upload) -> HttpResponse:
    form = PreviewForm(request.POST, request.FILES)
    valid = form.is_valid()
    if "format" not in form.cleaned_data:
        return _again(request, row, form)
    try:
        extra = _extra(request, form)
    except UploadError as error:
        form.add_error(None, str(error))
        return _again(request, row, form)
    data = request.POST.copy()
    data.update(_tokens(extra))
    form.data = data  # so that a form that comes back has the files that were sent with it
    options = ImportOptions(
        answers=path_of(extra["answers"]) if "answers" in extra else None,
        dev=path_of(extra["dev"]) if "dev" in extra else None,
        split=form.cleaned_data.get("split", ""),
    )
    proposal = proposal_of(row, form, options)
    if request.POST.get("do") == "show":
        values = {**request.POST.dict(), **values_shown(row, form, proposal), **_tokens(extra)}
        context = preview_context(row, PreviewForm(initial=values), proposal, extra)
        return render(request, "annotation/upload_preview.html", context)
    if not valid or proposal.problem or not proposal.good:
        context = preview_context(row, form, proposal, extra)
        return render(request, "annotation/upload_preview.html", context, status=422)
    try:
        run = preview_import(
            user=person(request), upload=row, values=form.cleaned_data, mapping=proposal.mapping, extra=extra
        )
    except ConfigError as error:
        form.add_error(None, worded(str(error)))
        context = preview_context(row, form, proposal, extra)
        return render(request, "annotation/upload_preview.html", context, status=422)
    return redirect("runs:detail", run.pk)


def _again(request: HttpRequest, row: Upload, form: PreviewForm) -> HttpResponse:
    """The form with what is wrong in it, beside the rows as they were proposed first."""
    proposal, _initial = proposal_first(row)
    return render(request, "annotation/upload_preview.html", preview_context(row, form, proposal, {}), status=422)


def _extra(request: HttpRequest, form: PreviewForm) -> dict[str, Upload]:
    """The answers and the examples: sent now, or kept from the time before. Raises UploadError."""
    found: dict[str, Upload] = {}
    for name in ("answers", "dev"):
        file = form.cleaned_data.get(name)
        if isinstance(file, UploadedFile):
            found[name] = upload_whole(user=person(request), file=file)
        elif kept := own(scoped(request.user, Upload), form.cleaned_data.get(f"{name}_kept", "")):
            found[name] = kept
    return found


def _tokens(extra: dict[str, Upload]) -> dict[str, str]:
    return {f"{name}_kept": one.token for name, one in extra.items()}
