"""The bell: what the runs that somebody started came to, in the header of every page and as a list of its own."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from madsafe_web.core.access import needs, scoped
from madsafe_web.core.models import RunNotice
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person
from madsafe_web.core.runs.notices import notice_lines, notices_seen

NEWEST = 6  # in the header


class SeenForm(forms.Form):
    """One notice, or with nothing named all of them."""

    notice = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


@require_GET
@needs("browse")
def notice_list(request: HttpRequest) -> HttpResponse:
    page = newest_first(scoped(request.user, RunNotice).select_related("run"), request.GET)
    context = {"notices": notice_lines(page.rows), "pager": page.pager}
    return render(request, "runs/notice_list.html", context)


@require_GET
@needs("browse")
def bell(request: HttpRequest) -> HttpResponse:
    """The count in the header, asked for now and then."""
    return render(request, "partials/bell_count.html")


@require_GET
@needs("browse")
def newest(request: HttpRequest) -> HttpResponse:
    """The newest notices, for the box under the bell."""
    rows = scoped(request.user, RunNotice).select_related("run").order_by("-pk")[:NEWEST]
    return render(request, "runs/notice_newest.html", {"notices": notice_lines(rows)})


@require_POST
@needs("browse")
def seen(request: HttpRequest) -> HttpResponse:
    """Mark one notice as seen and go to its run, or mark all."""
    form = SeenForm(request.POST)
    wanted = form.cleaned_data["notice"] if form.is_valid() else None
    notice = scoped(request.user, RunNotice).filter(pk=wanted).first() if wanted else None
    notices_seen(user=person(request), notice=notice.pk if notice else None)
    return redirect("runs:detail", notice.run_id) if notice else redirect("runs:notices")
