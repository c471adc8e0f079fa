"""The merge history as a list: every step, whether it stands, and whether the reader may change that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from annotation.merge.operations import Kind, Verb
from annotation.merge.telling import about, outcome
from annotation.models import LabelOperation, MergeMap
from annotation.pages.label_detail import actor_of
from madsafe_web.core.access import can, scoped
from madsafe_web.core.models import User


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One step. `tip`: the newest of it and of its undoing and redoing, which is what is taken back next.

    `may`: "undo" or "redo" where the reader may take it back or do it again, else "".
    """

    id: int
    at: datetime
    actor: str
    verb: str
    about: str
    outcome: str
    map: str
    stands: bool
    changed_by: str  # who took it back or did it again last, when that was somebody else
    part_of: int | None
    tip: int
    may: str


def steps_asked(user: User, asked: dict[str, Any]) -> QuerySet[LabelOperation]:
    """The steps that a reader may see under a filter: person (user name), verb, label (id).

    What somebody answered blindly beside other labels is no answer to be found by its label.
    """
    rows = scoped(user, LabelOperation).filter(kind=Kind.DO)
    if asked.get("person"):
        rows = rows.filter(actor__username=asked["person"])
    if asked.get("verb"):
        rows = rows.filter(verb=asked["verb"])
    if asked.get("label"):
        label = asked["label"]
        of_it = Q(changes__entry__label=label) | Q(comment__label=label) | Q(opinions__entry__label=label)
        pairs = Q(refused__first=label) | Q(refused__second=label)
        beside = ~Q(actor=user) & Q(verb=Verb.ASSIGN, opinions__entry__label=label)
        found = LabelOperation.objects.filter(of_it | pairs).values("pk")
        rows = rows.filter(pk__in=found).exclude(pk__in=LabelOperation.objects.filter(beside).values("pk"))
    return rows.select_related("actor", "merge_map")


def history_lines(user: User, steps: Sequence[LabelOperation]) -> list[HistoryLine]:
    """The lines for some steps, in a query for each time that one of them was taken back and done again."""
    tips = tips_of(steps)
    return [_line(user, step, tips[step.pk]) for step in steps]


def tips_of(steps: Sequence[LabelOperation]) -> dict[int, LabelOperation]:
    """Step id → the step itself, or the newest undoing or redoing of it."""
    tips = {step.pk: step for step in steps}
    root_of = {step.pk: step.pk for step in steps}
    while root_of:
        after = list(LabelOperation.objects.filter(undoes__in=list(root_of)).select_related("actor"))
        root_of = {one.pk: root_of[one.undoes_id] for one in after if one.undoes_id is not None}
        tips |= {root_of[one.pk]: one for one in after}
    return tips


def _line(user: User, step: LabelOperation, tip: LabelOperation) -> HistoryLine:
    stands = tip.kind != Kind.UNDO
    return HistoryLine(
        id=step.pk,
        at=step.created,
        actor=actor_of(step),
        verb=step.verb,
        about=about(step),
        outcome=outcome(step),
        map=str(step.merge_map),
        stands=stands,
        changed_by=actor_of(tip) if tip.actor_id != step.actor_id else "",
        part_of=tip.within_id,
        tip=tip.pk,
        may=("undo" if stands else "redo") if may_change(user, step) else "",
    )


def may_change(user: User, step: LabelOperation) -> bool:
    """Whether a person may take a step back or do it again: their own, a lead any, while its map is a draft."""
    if step.merge_map.state != MergeMap.State.DRAFT or not can(user, "merge"):
        return False
    return step.actor_id == user.pk or can(user, "adjudicate")


def actors() -> QuerySet[User]:
    """Everybody who took a step of the history, by name."""
    return User.objects.filter(pk__in=LabelOperation.objects.values("actor")).order_by("username")
