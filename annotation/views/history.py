"""The merge history: every step, taking one back or doing it again, and a lead's way to take back a person's period."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.forms import FilterForm, id_field
from annotation.merge.operations import operation_undo
from annotation.merge.reverting import labels_of, operations_revert, steps_between
from annotation.merge.states import StaleDecision
from annotation.models import LabelOperation
from annotation.pages.label_history import actors, history_lines, may_change, steps_asked, tips_of
from annotation.selectors import map_draft
from madsafe_web.core.access import can, needs, scoped
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person
from madsafe_web.core.runs.errors import StageError


class HistoryFilter(FilterForm):
    person = forms.CharField(required=False, max_length=150)
    verb = forms.ChoiceField(required=False, choices=LabelOperation.Verb.choices)
    label = id_field(required=False)


class StepForm(forms.Form):
    step = id_field()


class PeriodForm(forms.Form):
    """A person's days, both of them included."""

    who = forms.CharField(max_length=150)
    since = forms.DateField()
    until = forms.DateField()

    def period(self) -> dict[str, Any]:
        """Arguments of `steps_between`. Raises Http404 for somebody who took no step."""
        found = actors().filter(username=self.cleaned_data["who"]).first()
        if found is None:
            raise Http404
        day = timedelta(days=1)
        first, last = self.cleaned_data["since"], self.cleaned_data["until"] + day
        midnights = [timezone.make_aware(datetime.combine(one, time())) for one in (first, last)]
        return {"person": found, "since": midnights[0], "until": midnights[1]}


@require_safe
@needs("browse")
def history(request: HttpRequest) -> HttpResponse:
    filters = HistoryFilter(request.GET)
    if filters.refused:
        messages.warning(request, _("A part of the filter could not be used and was left out."))
    user, draft = person(request), map_draft()
    page = newest_first(steps_asked(user, filters.kept), request.GET)
    context = {
        "lines": history_lines(user, page.rows),
        "pager": page.pager,
        "filters": {name: filters.text(name) for name in filters.fields},
        "filtered": any(filters.kept.values()),
        "verbs": LabelOperation.Verb.choices,
        "people": list(actors().values_list("username", flat=True)),
        "may_revert": draft is not None and can(user, "adjudicate"),
        "period": {name: request.GET.get(name, "") for name in PeriodForm.base_fields},
    }
    form = PeriodForm(request.GET)
    if context["may_revert"] and draft and form.is_valid():
        steps = steps_between(draft, **form.period())
        context["preview"] = {"steps": steps.count(), "labels": labels_of(steps)}
    return render(request, "annotation/label_history.html", context)


@require_POST
@needs("merge")
def history_turn(request: HttpRequest) -> HttpResponse:
    """Take a step back, or do it again where it was taken back."""
    form = StepForm(request.POST)
    if not form.is_valid():
        raise Http404
    user = person(request)
    step = get_object_or_404(scoped(request.user, LabelOperation).filter(kind="do"), pk=form.cleaned_data["step"])
    if not may_change(user, step):
        raise Http404
    try:
        operation_undo(operation=tips_of([step])[step.pk], user=user)
    except StaleDecision as error:
        text = _("Somebody changed “%(labels)s” since. Nothing was changed.")
        messages.error(request, text % {"labels": str(error)})
    except StageError as error:
        messages.error(request, str(error))
    return redirect("annotation:label-history")


@require_POST
@needs("adjudicate")
def history_revert(request: HttpRequest) -> HttpResponse:
    """Take back all that one person did over some days."""
    form, draft = PeriodForm(request.POST), map_draft()
    if not form.is_valid() or draft is None:
        messages.error(request, _("The period could not be read. Nothing was changed."))
        return redirect("annotation:label-history")
    try:
        done = operations_revert(draft=draft, user=person(request), **form.period())
    except StageError as error:  # it was published meanwhile
        messages.error(request, str(error))
        return redirect("annotation:label-history")
    messages.success(request, _("%(count)s steps were taken back.") % {"count": done.steps})
    if done.left:
        text = _("Left as they are, since somebody else changed them: %(labels)s.")
        messages.warning(request, text % {"labels": ", ".join(done.left)})
    return redirect("annotation:label-history")
