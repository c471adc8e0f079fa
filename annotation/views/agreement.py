"""How well people agree about labels, as a page and as files, and the rule of which labels need two people."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from annotation.forms import FilterForm
from annotation.merge.blind import policy_now, policy_set
from annotation.models import MergeMap
from annotation.pages.agreement import KINDS, agreement_context, agreement_table
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.audit import audit
from madsafe_web.core.people import person

LARGEST = 2**31 - 1


class MapFilter(FilterForm):
    map = forms.IntegerField(required=False, min_value=1, max_value=LARGEST)  # version


class PolicyForm(forms.Form):
    """Which labels need two people; a change holds from the next decision on."""

    two_people = forms.BooleanField(
        required=False,
        label=gettext_lazy("Two people decide about big or doubtful labels"),
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )
    prompts_from = forms.IntegerField(
        min_value=1,
        max_value=LARGEST,
        label=gettext_lazy("Big: on at least this many prompts"),
        widget=forms.NumberInput(attrs={"class": "form-control"}),
    )
    confidence_below = forms.FloatField(
        min_value=0,
        max_value=1,
        label=gettext_lazy("Doubtful: confidence below"),
        help_text=gettext_lazy("From 0 (none is doubtful) to 1."),
        widget=forms.NumberInput(attrs={"class": "form-control", "step": "any"}),
    )


@require_safe
@needs("adjudicate")
def agreement(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _page(request: HttpRequest, form: PolicyForm | None = None, status: int = 200) -> HttpResponse:
    rule = policy_now()
    form = form or PolicyForm(initial={name: getattr(rule, name) for name in PolicyForm.base_fields})
    context = agreement_context(person(request), MapFilter(request.GET).kept["map"])
    return render(request, "annotation/label_agreement.html", {**context, "form": form}, status=status)


@require_POST
@needs("adjudicate")
def policy(request: HttpRequest) -> HttpResponse:
    form = PolicyForm(request.POST)
    if not form.is_valid():
        return _page(request, form, 422)
    policy_set(user=person(request), **form.cleaned_data)
    messages.success(request, _("Saved. It holds from the next decision on."))
    return redirect("annotation:label-agreement")


@require_POST
@needs("adjudicate")
def agreement_file(request: HttpRequest, kind: str) -> HttpResponse:
    """One of the tables as CSV, shares in 0..1. By POST, since it writes down who took it out."""
    if kind not in KINDS:
        raise Http404
    version = MapFilter(request.POST).kept["map"]
    merge_map = get_object_or_404(scoped(request.user, MergeMap), version=version)
    table = agreement_table(person(request), merge_map, kind)
    audit(person(request), "label.agreement", f"map {merge_map}", table=kind, rows=len(table.rows))
    response = HttpResponse(table.to_csv(), content_type="text/csv; charset=utf-8")
    name = f"madsafe-agreement-{kind}-map-{merge_map}.csv"
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or ""
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
