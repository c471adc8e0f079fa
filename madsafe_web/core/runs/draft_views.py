"""The pages around the start of a run: making one like another, its parameters and its budget."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from madsafe_web.core.access import needs, scoped
from madsafe_web.core.method import NUMBER_OF, run_name
from madsafe_web.core.models import Run
from madsafe_web.core.people import person
from madsafe_web.core.runs.drafts import changeable, run_budget, run_cache, run_change, run_clone, run_deadline
from madsafe_web.core.runs.errors import ConfigError, ParameterError
from madsafe_web.core.runs.forms import BudgetForm, ParamsForm
from madsafe_web.core.runs.pages import works_by_rows
from madsafe_web.core.runs.stages import stages
from madsafe_web.core.runs.starting import WITH_A_PAGE_OF_THEIR_OWN


@require_POST
@needs("run")
def clone(request: HttpRequest, pk: int) -> HttpResponse:
    """A new draft with the parameters of this run, to be looked over before it starts."""
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    if run.stage in WITH_A_PAGE_OF_THEIR_OWN:
        messages.warning(request, nothing_changed(run))
        return redirect("runs:detail", pk)
    try:
        draft = run_clone(run=run, user=person(request))
    except ConfigError as error:
        messages.error(request, str(error))
        return redirect("runs:detail", pk)
    return redirect("runs:edit", draft.pk)


@require_http_methods(["GET", "POST"])
@needs("run")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The parameters of a draft and the budget of a run that works row by row and is not in work."""
    run = get_object_or_404(scoped(request.user, Run), pk=pk)
    data = request.POST if request.method == "POST" else None
    params = ParamsForm(run, data) if changeable(run) and run.stage in stages() else None
    budget = BudgetForm(run, data) if works_by_rows(run) else None
    if params is None and budget is None:
        messages.warning(request, nothing_changed(run))
        return redirect("runs:detail", pk)
    if data is not None and saved(request, run, params, budget):
        return redirect("runs:detail", pk)
    context = {"run": run, "name": run_name(run), "params": params, "budget": budget}
    context["method_current"] = NUMBER_OF.get(run.stage, 0)
    return render(request, "runs/run_edit.html", context, status=422 if data is not None else 200)


def saved(request: HttpRequest, run: Run, params: ParamsForm | None, budget: BudgetForm | None) -> bool:
    """Whether both forms were saved; what is wrong with a parameter is then told at its field."""
    if any(form and not form.is_valid() for form in (budget, params)):
        return False
    try:
        done = params is None or run_change(run=run, values=params.values(), user=person(request))
    except ConfigError as error:
        assert params is not None
        name = error.field.split(".")[0] if isinstance(error, ParameterError) else None
        params.add_error(name if name in params.fields else None, str(error))
        return False
    if done and budget:
        done = run_budget(run=run, limits=budget.limits(), user=person(request))
        if "deadline" in budget.changed_data:
            done = run_deadline(run=run, when=budget.cleaned_data["deadline"], user=person(request)) and done
        if "shared_cache" in budget.changed_data:
            done = run_cache(run=run, shared=budget.cleaned_data["shared_cache"], user=person(request)) and done
    if not done:
        messages.warning(request, nothing_changed(run))
    return True


def nothing_changed(run: Run) -> str:
    if run.stage in WITH_A_PAGE_OF_THEIR_OWN:
        return _("%(run)s began on a page of its own: begin another one there.") % {"run": run_name(run)}
    return _("%(run)s is in work or has ended: nothing was changed.") % {"run": run_name(run)}
