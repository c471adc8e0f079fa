"""The audit record for admins: the page, the check, and the file of what the filter leaves."""

from __future__ import annotations

from typing import cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from madsafe_web.core.access import needs
from madsafe_web.core.audit import audit
from madsafe_web.core.auditing import pages
from madsafe_web.core.auditing.checking import READ_AT_ONCE, as_csv, as_jsonl, record_verify
from madsafe_web.core.auditing.words import GROUPS
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person

FORMATS = {"csv": (as_csv, "text/csv; charset=utf-8"), "jsonl": (as_jsonl, "application/jsonl")}


class ExportForm(forms.Form):
    format = forms.ChoiceField(choices=[(name, name) for name in FORMATS])


@require_safe
@needs("administer")
def audit_list(request: HttpRequest) -> HttpResponse:
    filters = pages.AuditFilter(request.GET)
    if filters.refused:
        messages.warning(request, _("A part of the filter could not be used and was left out."))
    page = newest_first(filters.rows(person(request)), request.GET)
    context = {
        "events": pages.event_lines(page.rows),
        "pager": page.pager,
        "filters": filters.texts(),
        "filtered": any(filters.kept.values()),
        "groups": [{"value": value, "label": label} for value, label in GROUPS.items()],
        "check": pages.newest_check(person(request)),
    }
    return render(request, "audit/audit_list.html", context)


@require_POST
@needs("administer")
def audit_verify(request: HttpRequest) -> HttpResponse:
    events, problems = record_verify(user=person(request))
    if problems:
        messages.error(request, _("The record was changed. The problems are named above the list."))
    else:
        messages.success(request, _("The record is sound: %(count)s events.") % {"count": f"{events:,}"})
    return redirect("audit:list")


@require_POST
@needs("administer")
def audit_export(request: HttpRequest) -> HttpResponse:
    """The events that the filter leaves, oldest first, as a file; itself an event, which is not in it."""
    form = ExportForm(request.POST)
    filters = pages.AuditFilter(request.POST)
    if not form.is_valid() or filters.refused:
        messages.error(request, _("The filter could not be used. Nothing was exported."))
        return redirect("audit:list")
    write, content_type = FORMATS[form.cleaned_data["format"]]
    rows = filters.rows(person(request)).order_by("sequence")
    newest = rows.values_list("sequence", flat=True).last() or 0
    rows = rows.filter(sequence__lte=newest)
    query = {name: value for name, value in filters.texts().items() if value}
    audit(person(request), "audit.export", "audit", query=query, rows=rows.count(), format=form.cleaned_data["format"])
    response = StreamingHttpResponse(write(rows.iterator(READ_AT_ONCE)), content_type=content_type)
    name = f"madsafe-audit-{timezone.localtime():%Y%m%d-%H%M%S}.{form.cleaned_data['format']}"
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or ""
    return cast(HttpResponse, response)  # a streamed response, which only Django's types tell apart
