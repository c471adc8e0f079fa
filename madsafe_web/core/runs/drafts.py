"""Runs before they start: made like another one, their parameters changed, and the budget that any resting run has."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from madsafe_web.core.audit import audit
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs import deadline, service
from madsafe_web.core.runs import params as run_params
from madsafe_web.core.runs.budget import Limits
from madsafe_web.core.runs.stages import stage
from madsafe_web.core.runs.starting import WITH_A_PAGE_OF_THEIR_OWN

RESTING = (*service.STARTABLE, Run.State.DONE)
LIMITS = {"calls": "most_calls", "tokens": "most_tokens", "cost": "most_cost", "seconds": "most_seconds"}


def limits_of(run: Run) -> Limits:
    return Limits(**{name: getattr(run, field) for name, field in LIMITS.items()})


@transaction.atomic
def run_clone(*, run: Run, user: User | None) -> Run:
    """A new draft with the parameters and the budget of a run, without its deadline, in no chain.

    Raises ConfigError when the stage is gone or takes the parameters no longer.
    """
    draft = service.run_create(stage_name=run.stage, values=run.params, user=user, like=run)
    copied = {field: getattr(run, field) for field in (*LIMITS.values(), "shared_cache")}
    Run.objects.filter(pk=draft.pk).update(**copied)
    draft.refresh_from_db()
    return draft


def changeable(run: Run) -> bool:
    """Whether its parameters may change: it never started, and no chain and no page of its own says what they are.

    Those pages check what they take: an import must not read any path of the server.
    """
    return run.state == Run.State.DRAFT and not run.chain and run.stage not in WITH_A_PAGE_OF_THEIR_OWN


@transaction.atomic
def run_change(*, run: Run, values: dict[str, Any], user: User | None) -> bool:
    """Give a draft other parameters; False when they may not change. Raises ConfigError naming the wrong parameter."""
    params = run_params.freeze(run_params.build(stage(run.stage).params, values, where=f"Stage '{run.stage}'"))
    draft = Run.objects.select_for_update().filter(pk=run.pk, state=Run.State.DRAFT, chain="").first()
    if draft is None or not changeable(draft):
        return False
    names = [name for name, value in params.items() if draft.params.get(name) != value]
    if names:
        Run.objects.filter(pk=run.pk).update(params=params)
        before, after = ({name: one.get(name) for name in names} for one in (draft.params, params))
        audit(user, "run.change", str(run), before=before, after=after)
    run.params = params
    return True


@transaction.atomic
def run_budget(*, run: Run, limits: Limits, user: User | None) -> bool:
    """Give a run that is not in work another budget; False when it is in work or cancelled."""
    resting = Run.objects.select_for_update().filter(pk=run.pk, state__in=RESTING).first()
    if resting is None:
        return False
    before = limits_of(resting)
    if before != limits:
        values = {field: getattr(limits, name) for name, field in LIMITS.items()}
        Run.objects.filter(pk=run.pk).update(**values)
        facts = ({name: getattr(one, name) for name in LIMITS} for one in (before, limits))
        audit(user, "run.budget", str(run), **dict(zip(("before", "after"), facts, strict=True)))
        run.refresh_from_db()
    return True


@transaction.atomic
def run_deadline(*, run: Run, when: deadline.When, user: User | None) -> bool:
    """Give a run that is not in work another deadline, or none; False when it is in work or cancelled."""
    resting = Run.objects.select_for_update().filter(pk=run.pk, state__in=RESTING).first()
    if resting is None:
        return False
    deadline.set_to(run, when)
    if resting.deadline != run.deadline:
        before, after = (one.isoformat() if one else None for one in (resting.deadline, run.deadline))
        audit(user, "run.deadline", str(run), before=before, after=after)
    return True


@transaction.atomic
def run_cache(*, run: Run, shared: bool, user: User | None) -> bool:
    """Say of a draft whether replies that other runs stored answer its calls; False when it has started."""
    draft = Run.objects.select_for_update().filter(pk=run.pk, state=Run.State.DRAFT).first()
    if draft is None:
        return False
    if draft.shared_cache != shared:
        Run.objects.filter(pk=run.pk).update(shared_cache=shared)
        audit(user, "run.cache", str(run), before=draft.shared_cache, after=shared)
        run.shared_cache = shared
    return True
