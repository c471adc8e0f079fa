"""The pages of prompt templates: everybody reads them, a lead saves versions and chooses the one in use."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from madsafe_web.core.access import can, needs, scoped
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.editing import diffing, pages
from madsafe_web.core.llm.editing.checking import edited, faults
from madsafe_web.core.llm.editing.forms import DiffForm, EditForm, NumberForm, PreviewForm
from madsafe_web.core.llm.editing.services import NoSuchVersion, version_save, version_use
from madsafe_web.core.llm.templates import Template
from madsafe_web.core.models import TemplateVersion
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person


@require_GET
@needs("browse")
def template_list(request: HttpRequest) -> HttpResponse:
    lines = pages.template_lines(scoped(request.user, TemplateVersion))
    return render(request, "llm/editing/template_list.html", {"templates": lines})


@require_GET
@needs("browse")
def template(request: HttpRequest, name: str) -> HttpResponse:
    rows = scoped(request.user, TemplateVersion).filter(name=_known(name))
    page = newest_first(rows.select_related("template"), request.GET)
    in_use = pages.number_in_use(rows, name)
    lines = pages.version_lines(name, page.rows, with_file=not page.pager.next, in_use=in_use)
    newest = lines[0].number if lines else 0
    context = {
        "name": name,
        "stages": pages.stage_names(name),
        "places": templates.load(name).places,
        "versions": lines,
        "pager": page.pager,
        "in_use": in_use,
        "shown": pages.text_of(rows, name, in_use),
        "older": in_use if in_use != newest else max(0, newest - 1),
        "newest": newest,
        "may_edit": can(request.user, "run"),
    }
    return render(request, "llm/editing/template_detail.html", context)


@require_GET
@needs("browse")
def version(request: HttpRequest, name: str, number: int) -> HttpResponse:
    form = PreviewForm(request.GET)
    ids = form.cleaned_data["prompts"] if form.is_valid() else []
    found = _version(request, name, number)
    context = {
        "name": name,
        "number": number,
        "shown": found,
        "form": form,
        "rendered": pages.rendered(person(request), found, ids),
        "may_edit": can(request.user, "run"),
    }
    return render(request, "llm/editing/version.html", context)


@require_GET
@needs("browse")
def diff(request: HttpRequest, name: str) -> HttpResponse:
    form = DiffForm(request.GET)
    if not form.is_valid():
        raise Http404
    old, new = form.cleaned_data["old"], form.cleaned_data["new"]
    lines = diffing.lines(_version(request, name, old).text, _version(request, name, new).text)
    context = {"name": name, "old": old, "new": new, "lines": lines}
    return render(request, "llm/editing/diff.html", context)


@require_http_methods(["GET", "POST"])
@needs("run")
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """The editor; by POST a version is saved, or with `preview` shown with real prompts and not saved."""
    if request.method != "POST":
        rows = scoped(request.user, TemplateVersion).filter(name=_known(name))
        asked = NumberForm({"number": request.GET.get("number")})
        number = asked.cleaned_data["number"] if asked.is_valid() else pages.number_in_use(rows, name)
        return _editor(request, name, EditForm(initial={"text": _version(request, name, number).text}))
    form = EditForm(request.POST)
    if not form.is_valid():
        return _editor(request, _known(name), form, status=422)
    if "preview" in request.POST:
        return _previewed(request, edited(_known(name), form.cleaned_data["text"]), form)
    try:
        values = {part: form.cleaned_data[part] for part in ("text", "note")}
        saved = version_save(user=person(request), name=_known(name), **values)
    except ValidationError as error:
        form.add_error(None, error)
        return _editor(request, name, form, status=422)
    words = {"name": name, "number": saved.number}
    messages.success(request, _("Version %(number)d of %(name)s is saved. No run uses it before it is chosen.") % words)
    return redirect("templates:template", name)


@require_POST
@needs("run")
def use(request: HttpRequest, name: str) -> HttpResponse:
    form = NumberForm(request.POST)
    try:
        if form.is_valid() and version_use(user=person(request), name=_known(name), number=form.cleaned_data["number"]):
            words = {"name": name, "number": form.cleaned_data["number"]}
            messages.success(request, _("Runs that start from now on use version %(number)d of %(name)s.") % words)
    except NoSuchVersion:
        raise Http404 from None
    return redirect("templates:template", _known(name))


def _previewed(request: HttpRequest, draft: Template, form: EditForm) -> HttpResponse:
    if said := faults(draft):
        form.add_error("text", said)
        return _editor(request, draft.name, form, status=422)
    shown = pages.rendered(person(request), draft, form.cleaned_data["prompts"])
    return _editor(request, draft.name, form, rendered=shown)


def _editor(request: HttpRequest, name: str, form: EditForm, status: int = 200, **more: Any) -> HttpResponse:
    context = {"name": name, "form": form, "places": templates.load(name).places, **more}
    return render(request, "llm/editing/edit.html", context, status=status)


def _version(request: HttpRequest, name: str, number: int) -> Template:
    found = pages.text_of(scoped(request.user, TemplateVersion), _known(name), number)
    if found is None:
        raise Http404
    return found


def _known(name: str) -> str:
    if name not in templates.names():
        raise Http404
    return name
