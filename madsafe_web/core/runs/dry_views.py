"""The pages of dry runs: which stage with which parameters, and what came back."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from madsafe_web.core.access import needs, scoped
from madsafe_web.core.method import STAGES, WORKING, run_name, stage_name
from madsafe_web.core.models import Run
from madsafe_web.core.people import person
from madsafe_web.core.runs import dry, params
from madsafe_web.core.runs.dry_pages import dry_shown
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.forms import StorableJSONField
from madsafe_web.core.runs.stage import RowStage
from madsafe_web.core.runs.stages import stages
from madsafe_web.core.runs.views import STOP_POLLING


class Indented(json.JSONEncoder):
    """JSON over several lines, as people edit it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "indent": 2})


class DryForm(forms.Form):
    stage = forms.ChoiceField(label=gettext_lazy("Stage"))
    values = StorableJSONField(
        required=False,
        encoder=Indented,
        label=gettext_lazy("Parameters"),
        help_text=gettext_lazy("A JSON object; what is left out has its default."),
        widget=forms.Textarea(attrs={"rows": 10, "class": "mono", "spellcheck": "false", "translate": "no"}),
    )
    rows = forms.IntegerField(
        min_value=1,
        max_value=dry.MOST_ROWS,
        initial=20,
        label=gettext_lazy("Rows to ask"),
        help_text=gettext_lazy("Each is a real call at its price."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [name for name in STAGES if isinstance(stages().get(name), RowStage)]
        self.fields["stage"].choices = [(name, stage_name(name)) for name in known]  # type: ignore[attr-defined]

    def clean_values(self) -> dict[str, Any]:
        """An object; nothing written means none."""
        values = self.cleaned_data["values"] or {}
        if not isinstance(values, dict):
            raise forms.ValidationError(_("Write the parameters as a JSON object."))
        return values


@require_http_methods(["GET", "POST"])
@needs("run")
def dry_new(request: HttpRequest) -> HttpResponse:
    """The form; by POST a dry run is made and queued. `?run=` names a run whose stage and parameters are tried."""
    tried = _tried(request)
    if request.method != "POST":
        stage = tried.stage if tried else request.GET.get("stage", "label")
        values = tried.params if tried else _defaults(stage)
        return _page(request, DryForm(initial={"stage": stage, "values": values, "rows": 20}), tried)
    form = DryForm(request.POST)
    if not form.is_valid():
        return _page(request, form, tried, status=422)
    try:
        run = dry.dry_start(user=person(request), values={**form.cleaned_data, "of": _same(tried, form.cleaned_data)})
    except ConfigError as error:
        form.add_error("values", str(error))
        return _page(request, form, tried, status=422)
    return redirect("dry:detail", run.pk)


@require_GET
@needs("run")  # it shows prompts and opinions of judges, which reviewers must not see before they decide
def dry_detail(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "runs/dry_detail.html", _shown(request, pk))


@require_GET
@needs("run")
def dry_progress(request: HttpRequest, pk: int) -> HttpResponse:
    context = _shown(request, pk)
    status = 200 if context["live"] else STOP_POLLING
    return render(request, "runs/dry_detail.html#dry", context, status=status)


def _shown(request: HttpRequest, pk: int) -> dict[str, Any]:
    run = get_object_or_404(scoped(request.user, Run).filter(stage=dry.STAGE), pk=pk)
    return {
        "run": run,
        "name": run_name(run),
        "of": stage_name(run.params["stage"]),
        "live": run.state in WORKING,
        "dry": dry_shown(run),
    }


def _tried(request: HttpRequest) -> Run | None:
    """The run that `?run=` names, if there is one."""
    named = request.GET.get("run", "")
    return scoped(request.user, Run).filter(pk=int(named)).first() if named.isdecimal() and len(named) < 16 else None


def _same(tried: Run | None, cleaned: dict[str, Any]) -> int:
    """The run to try, when the form still says what it says; else 0, and the form decides."""
    if tried is None or tried.stage != cleaned["stage"] or tried.params != cleaned["values"]:
        return 0
    return tried.pk


def _defaults(stage: str) -> dict[str, Any]:
    declared = stages().get(stage)
    if not isinstance(declared, RowStage):
        return {}
    return params.freeze(params.build(declared.params, {}, where=stage))


def _page(request: HttpRequest, form: DryForm, tried: Run | None, status: int = 200) -> HttpResponse:
    context = {"form": form, "tried": tried, "tried_name": run_name(tried) if tried else ""}
    return render(request, "runs/dry_new.html", context, status=status)
