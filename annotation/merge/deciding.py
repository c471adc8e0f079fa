"""What people do with labels on the merge screen. Each of these is one step, which one Undo takes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from django.db import transaction

from annotation.merge.blind import Answering
from annotation.merge.drafts import map_draft_open
from annotation.merge.effects import pairs_settle
from annotation.merge.operations import (
    NAMED,
    Codes,
    Step,
    Verb,
    draft_locked,
    operation_do,
    operation_newest,
    operation_redoable,
    operation_undo,
)
from annotation.merge.rules import rules_keep
from annotation.merge.states import Decision, EntryState, StaleDecision
from annotation.models import DecidedBy, IntentLabel, LabelComment, LabelOperation, MapEntry, MergeMap, RefusedPair
from annotation.selectors import map_draft
from madsafe_web.core.models import User

Seen = Mapping[int, int]  # label id → the revision at which the person saw it


@transaction.atomic
def labels_decide(
    *,
    user: User | None,
    seen: Seen,
    decision: Decision,
    theme: str | None = None,
    confidence: Mapping[int, float] | None = None,
) -> LabelOperation:
    """Put labels into a category (or drop them, or make them undecided), under a common name if `theme` is given.

    All of them or none. Opens the draft if there is none. Raises StaleDecision when somebody else changed one of them
    since it was seen, or when one is not a label to merge; StageError when the map was published meanwhile. Labels that
    need two people keep what stands until both have answered alike, or a lead settles their disagreement.
    """
    by = (DecidedBy.PERSON if user else DecidedBy.RULE) if decision.target else DecidedBy.NOBODY

    def named(state: EntryState) -> EntryState:
        return state if theme is None else replace(state, theme=theme)

    def change(state: EntryState) -> EntryState:
        return replace(named(state), target=decision.target, by=by, second=MapEntry.Second.NONE)

    draft = draft_locked(draft_for(seen))
    states = _states(draft, seen)
    answering = Answering.of(user, decision.target, draft, states) if user else None
    quiet = {pk: named(state) for pk, state in answering.blind.items()} if answering else {}
    verb = _verb(answering, len(seen))
    payload = {} if verb == Verb.OPINION else {"target": decision.target}
    step = Step(verb, payload | ({} if theme is None else {"theme": theme}), change, confidence or {}, quiet=quiet)
    operation = operation_do(draft=draft, user=user, seen=seen, step=step)
    if answering:
        answering.keep(operation)
        decided = [entry.label_id for entry in states if entry.pk not in answering.blind]
        rules_keep(operation, decided, decision.target, theme or "")
    return operation


def _verb(answering: Answering | None, labels: int) -> LabelOperation.Verb:
    if answering and len(answering.blind) == labels:
        return Verb.OPINION
    return Verb.SETTLE if answering and len(answering.settled) == labels else Verb.ASSIGN


def _states(draft: MergeMap, seen: Seen) -> dict[MapEntry, EntryState]:
    codes = Codes.of(draft)
    return {entry: EntryState.of(entry, codes.code_of) for entry in draft.entries.filter(label__in=list(seen))}


@transaction.atomic
def labels_theme(*, user: User, seen: Seen, theme: str) -> LabelOperation:
    """Give labels a common name, or with "" let each stand for itself again. Raises as `labels_decide` does."""
    step = Step(Verb.THEME, {"theme": theme}, lambda state: replace(state, theme=theme))
    return operation_do(draft=draft_for(seen), user=user, seen=seen, step=step)


@transaction.atomic
def labels_flag(*, user: User, seen: Seen, flagged: bool) -> LabelOperation:
    """Put labels before the lead, or take them away again. Raises as `labels_decide` does."""
    step = Step(Verb.FLAG, {"flagged": flagged}, lambda state: replace(state, flagged=flagged))
    return operation_do(draft=draft_for(seen), user=user, seen=seen, step=step)


@transaction.atomic
def labels_refuse(*, user: User, together: Sequence[int], apart: Sequence[int] = ()) -> LabelOperation:
    """Remember for ever that labels do not belong together.

    None of `apart` belongs to any of `together`; without `apart` no two of `together` belong to each other.
    """
    pairs = [(a, b) for a in together for b in apart] if apart else list(combinations(together, 2))
    wanted = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    told = {"label": _name(together[0]), "count": len({*together, *apart}), "pairs": len(wanted)}
    step = Step(Verb.REFUSE, told, lambda state: state)
    operation = operation_do(draft=map_draft_open(user), user=user, seen={}, step=step)
    rows = [
        RefusedPair(first_id=first, second_id=second, operation=operation, standing=False) for first, second in wanted
    ]
    pairs_settle(RefusedPair.objects.bulk_create(rows))
    return operation


@transaction.atomic
def label_comment(*, user: User, label: int, text: str) -> LabelOperation:
    """Note something about a label."""
    step = Step(Verb.COMMENT, {"label": _name(label), "count": 1}, lambda state: state)
    operation = operation_do(draft=map_draft_open(user), user=user, seen={}, step=step)
    LabelComment.objects.create(label_id=label, author=user, text=text, operation=operation)
    return operation


def step_undo(*, user: User, draft: MergeMap) -> LabelOperation | None:
    """Take back the person's own newest step that still stands; None when there is none. Raises StaleDecision."""
    newest = operation_newest(draft, user)
    return operation_undo(operation=newest, user=user) if newest else None


def step_redo(*, user: User, draft: MergeMap) -> LabelOperation | None:
    """Do again what the person undid last, unless a new step followed it; None when there is nothing to redo."""
    undo = operation_redoable(draft, user)
    return operation_undo(operation=undo, user=user) if undo else None


def _name(label: int) -> str:
    return IntentLabel.objects.get(pk=label).name[:NAMED]


def draft_for(seen: Seen) -> MergeMap:
    """The draft, opened or completed if it lacks one of these labels. Raises StaleDecision for labels not to merge."""
    draft = map_draft()
    known = _known(draft, seen) if draft else set()
    if draft is None or len(known) < len(seen):
        draft = map_draft_open()
        missing = sorted(set(seen) - _known(draft, seen))
        if missing:
            raise StaleDecision(", ".join(map(str, missing)), tuple(missing))
    return draft


def _known(draft: MergeMap, seen: Seen) -> set[int]:
    return set(draft.entries.filter(label__in=list(seen)).values_list("label", flat=True))
