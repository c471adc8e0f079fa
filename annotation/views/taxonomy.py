"""The categories that labels are merged into: everybody reads them, leads make the next version."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.models import Category, Taxonomy
from annotation.pages.taxonomy import difference, guideline_context, history, taxonomy_context
from annotation.selectors import categories, guideline_of, guideline_versions, taxonomy_newest
from annotation.taxonomies import TaxonomyMoved, TaxonomyRefused, guideline_write, taxonomy_json, taxonomy_make
from annotation.taxonomy_form import (
    DiffForm,
    FileForm,
    GuidelineForm,
    HeadForm,
    Line,
    lines_from_file,
    lines_of,
    lines_sent,
    renamed,
    shown,
    stepped,
)
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.people import person
from madsafe_web.core.runs.errors import StageError


def _version(request: HttpRequest, version: object) -> Taxonomy:
    """The version that an address names, without one the newest. Raises Http404."""
    if not version:
        return taxonomy_newest()
    if not (isinstance(version, int) or str(version).isascii() and str(version).isdecimal() and len(str(version)) < 10):
        raise Http404
    return get_object_or_404(scoped(request.user, Taxonomy), version=int(str(version)))


@require_safe
@needs("browse")
def taxonomy(request: HttpRequest) -> HttpResponse:
    found = _version(request, request.GET.get("version"))
    versions = list(scoped(request.user, Taxonomy).select_related("author").order_by("-version"))
    return render(request, "annotation/taxonomy.html", taxonomy_context(person(request), found, versions))


@require_safe
@needs("browse")
def diff(request: HttpRequest) -> HttpResponse:
    form = DiffForm(request.GET)
    if not form.is_valid():
        raise Http404
    old, new = (_version(request, form.cleaned_data[name]) for name in ("old", "new"))
    context = {"old": old.version, "new": new.version, "lines": difference(old, new)}
    return render(request, "annotation/taxonomy_diff.html", context)


@require_safe
@needs("browse")
def export(request: HttpRequest) -> HttpResponse:
    found = _version(request, request.GET.get("version"))
    response = HttpResponse(taxonomy_json(found), content_type="application/json")
    name = f"madsafe-taxonomy-{found.version}.json"
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or ""
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@needs("publish")
def edit(request: HttpRequest) -> HttpResponse:
    """The form; by POST a button changes its rows, or they are saved as the next version."""
    newest = taxonomy_newest()
    if request.method != "POST":
        return _form(request, HeadForm(initial={"parent": newest.pk, "name": newest.name}), lines_of(newest))
    form = HeadForm(request.POST)
    try:
        lines = lines_sent(request.POST)
    except TaxonomyRefused as error:
        form.add_error(None, str(error))
        return _form(request, form, lines_of(newest), 422)
    if step := request.POST.get("step", ""):
        return _form(request, HeadForm(initial=request.POST.dict()), stepped(lines, step))
    return _save(request, form, lines)


def _save(request: HttpRequest, form: HeadForm, lines: list[Line]) -> HttpResponse:
    if not form.is_valid():
        return _form(request, form, lines, 422)
    values = form.cleaned_data
    parent = get_object_or_404(scoped(request.user, Taxonomy), pk=values["parent"])
    told = {"name": values["name"], "note": values["note"], "parent": parent}
    rows = [line.row for line in lines]
    try:
        made = taxonomy_make(user=person(request), rows=rows, renamed=renamed(lines), **told)
    except (TaxonomyRefused, StageError) as error:
        form.add_error(None, str(error))
        return _form(request, form, lines, 409 if isinstance(error, TaxonomyMoved | StageError) else 422)
    messages.success(request, _("Version %(version)s of the taxonomy is made.") % {"version": made.version})
    return redirect("annotation:taxonomy")


def _form(request: HttpRequest, form: HeadForm, lines: list[Line], status: int = 200) -> HttpResponse:
    context = {"form": form, "rows": shown(lines), "newest": taxonomy_newest()}
    return render(request, "annotation/taxonomy_edit.html", context, status=status)


@require_POST
@needs("publish")
def upload(request: HttpRequest) -> HttpResponse:
    """A file of categories, shown in the form before anything is saved."""
    form, newest = FileForm(request.POST, request.FILES), taxonomy_newest()
    try:
        if not form.is_valid():
            raise TaxonomyRefused(form.errors["file"][0])
        name, note, lines = lines_from_file(form.cleaned_data["file"], newest)
    except TaxonomyRefused as error:
        messages.error(request, str(error))
        return _form(request, HeadForm(initial={"parent": newest.pk, "name": newest.name}), lines_of(newest), 422)
    return _form(request, HeadForm(initial={"parent": newest.pk, "name": name, "note": note}), lines)


def _category(request: HttpRequest, code: str) -> Category:
    """The category of this code in the newest taxonomy. Raises Http404."""
    return get_object_or_404(scoped(request.user, Category).filter(pk__in=categories()), code=code)


@require_safe
@needs("browse")
def guideline(request: HttpRequest, code: str) -> HttpResponse:
    """What is told about a category; for htmx only that, to stand beside the work."""
    category = _category(request, code)
    context = guideline_context(person(request), category, guideline_of(code))
    if request.htmx:  # type: ignore[attr-defined]  # set by django_htmx's middleware
        return render(request, "annotation/guideline_aside.html", context)
    context["history"] = history(guideline_versions(code))
    return render(request, "annotation/guideline.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("publish")
def guideline_edit(request: HttpRequest, code: str) -> HttpResponse:
    category, newest = _category(request, code), guideline_of(code)
    form, status = GuidelineForm(initial={"text_en": newest.text_en, "text_zh": newest.text_zh} if newest else {}), 200
    if request.method == "POST":
        form, status = GuidelineForm(request.POST), 422
        if form.is_valid():
            texts = {name: value.replace("\r\n", "\n") for name, value in form.cleaned_data.items()}
            try:
                guideline_write(user=person(request), category=category, **texts)
                return redirect("annotation:guideline", code)
            except TaxonomyRefused as error:
                form.add_error(None, str(error))
    context = {"category": category, "form": form}
    return render(request, "annotation/guideline_edit.html", context, status=status)
