"""The saved rules of merging: their list, deciding by them once more, and withdrawing one."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from annotation.forms import id_field
from annotation.merge.rule_steps import rule_withdraw, rules_reapply
from annotation.models import LabelRule
from annotation.pages.rules import rules_context
from madsafe_web.core.access import needs, scoped
from madsafe_web.core.people import person
from madsafe_web.core.runs.errors import StageError


class RuleForm(forms.Form):
    rule = id_field()


@require_safe
@needs("browse")
def rules(request: HttpRequest) -> HttpResponse:
    return render(request, "annotation/label_rules.html", rules_context(person(request), request.GET))


@require_POST
@needs("merge")
def withdraw(request: HttpRequest) -> HttpResponse:
    form = RuleForm(request.POST)
    if not form.is_valid():
        raise Http404
    rule = get_object_or_404(scoped(request.user, LabelRule), pk=form.cleaned_data["rule"])
    try:
        done = rule_withdraw(person(request), rule)
    except StageError as error:  # the map was published meanwhile
        messages.error(request, str(error))
        return redirect("annotation:label-rules")
    if done:
        messages.success(request, _("The rule decides no more labels."), extra_tags="undo-label")
    else:
        messages.info(request, _("This rule holds no more."))
    return redirect("annotation:label-rules")


@require_POST
@needs("merge")
def apply(request: HttpRequest) -> HttpResponse:
    try:
        step = rules_reapply(person(request))
    except StageError as error:  # the map was published meanwhile
        messages.error(request, str(error))
        return redirect("annotation:label-rules")
    if step is None:
        messages.info(request, _("The rules say nothing about the undecided labels."))
        return redirect("annotation:label-rules")
    count = step.payload["count"]
    words = ngettext("%(count)d label is decided by rule.", "%(count)d labels are decided by rule.", count)
    messages.success(request, words % {"count": count}, extra_tags="undo-label")
    return redirect("annotation:label-rules")
