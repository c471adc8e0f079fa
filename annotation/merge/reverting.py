"""Taking back what one person did over a period: a lead's one step, which is itself taken back as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from annotation.merge.operations import Step, Verb, given_back, operation_do, operation_undo, standing
from annotation.models import IntentLabel, LabelOperation, MergeMap
from madsafe_web.core.models import User


@dataclass(frozen=True, slots=True)
class Reverted:
    """The step, and the names of the labels that it left because somebody else changed them since."""

    step: LabelOperation | None
    steps: int
    left: list[str]


def steps_between(draft: MergeMap, person: User, since: datetime, until: datetime) -> QuerySet[LabelOperation]:
    """The person's steps on a draft in [since, until) that were not taken back, the newest first.

    What they did again after an undo counts where it was done again, what a lead gave back where they did it.
    """
    back = given_back(draft, person)
    again = [pk for pk, root in back.items() if since <= root.created < until]
    own = Q(created__gte=since, created__lt=until) & ~Q(pk__in=back)
    return standing(draft, person).filter(own | Q(pk__in=again)).order_by("-id")


def labels_of(steps: QuerySet[LabelOperation]) -> int:
    """Number of labels that these steps changed."""
    return IntentLabel.objects.filter(entries__changes__operation__in=steps.values("pk")).distinct().count()


@transaction.atomic
def operations_revert(*, draft: MergeMap, user: User, person: User, since: datetime, until: datetime) -> Reverted:
    """Take back a person's steps of a period, the newest first; what others changed since stays and is named.

    Without such steps nothing is done. Raises StageError when the map is published.
    """
    wanted = list(steps_between(draft, person, since, until))
    if not wanted:
        return Reverted(None, 0, [])
    told = {"person": person.username, "since": since.isoformat(), "until": until.isoformat(), "count": len(wanted)}
    whole = operation_do(draft=draft, user=user, seen={}, step=Step(Verb.REVERT, told, lambda state: state))
    left: set[int] = set()
    taken = 0
    for operation in wanted:
        back = operation_undo(operation=operation, user=user, partly=True, within=whole)
        taken += back is not None
        left |= _changed(operation) - (_changed(back) if back else set()) - _answered(operation)
    names = IntentLabel.objects.filter(pk__in=left).order_by("name").values_list("name", flat=True)
    return Reverted(whole, taken, list(names))


def _changed(operation: LabelOperation) -> set[int]:
    return set(operation.changes.values_list("entry__label", flat=True))


def _answered(operation: LabelOperation) -> set[int]:
    """Labels that a step answered blindly: taking an answer back never fails, even where it changes nothing."""
    return set(operation.opinions.values_list("entry__label", flat=True))
