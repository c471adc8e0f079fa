"""The steps of merging: every change of a draft goes through `operation_do`, and `operation_undo` takes it back.

A draft is locked while a step is written, so steps come one after the other; an entry changes only on top of the
revision that its person saw, or on top of changes of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet

from annotation.merge.blind import outcomes
from annotation.merge.effects import effects_turn
from annotation.merge.states import DROP, EntryState, StaleDecision
from annotation.models import (
    Category,
    DecidedBy,
    LabelChange,
    LabelOperation,
    MapEntry,
    MergeMap,
)
from madsafe_web.core.audit import audit
from madsafe_web.core.models import User
from madsafe_web.core.runs.errors import StageError

Kind, Verb = LabelOperation.Kind, LabelOperation.Verb
Change = Callable[[EntryState], EntryState]
UPDATED = 500  # entries changed by one statement
NAMED = 60  # characters of a label in the history
ANSWERED = ("target", "by", "second")  # what follows from blind answers
TOLD = ("target", "theme", "flagged", "pairs", "rule", "keyer", "key")  # of a payload, in the audit record


@dataclass(frozen=True, slots=True)
class Codes:
    """The categories of one taxonomy, code → id and back."""

    id_of: Mapping[str, int]
    code_of: Mapping[int, str]

    @classmethod
    def of(cls, merge_map: MergeMap) -> Codes:
        rows = Category.objects.filter(taxonomy=merge_map.taxonomy_id).values_list("code", "id")
        return cls(dict(rows), {pk: code for code, pk in rows})

    def has(self, target: str) -> bool:
        """Whether an entry can have this target."""
        return target in self.id_of or target in ("", DROP)


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done: the verb, what was asked for, and for each label what its entry becomes.

    `changes`: label id → what becomes of its entry, where labels change each in its own way.
    `confidence`: label id → that of the suggestion that stood beside the decision. `quiet`: entry id → its new state
    instead, for those that the history does not tell of beside others.
    """

    verb: LabelOperation.Verb
    payload: Mapping[str, Any]
    change: Change
    confidence: Mapping[int, float] = field(default_factory=dict)
    changes: Mapping[int, Change] = field(default_factory=dict)
    quiet: Mapping[int, EntryState] = field(default_factory=dict)


def draft_locked(draft: MergeMap) -> MergeMap:
    """The draft, held until the transaction ends. Raises StageError when it was published meanwhile."""
    held = MergeMap.objects.select_for_update().filter(pk=draft.pk, state=MergeMap.State.DRAFT).first()
    if held is None:
        raise StageError(f"Map {draft} is published and can no longer change. Open the merge page again.")
    return held


@transaction.atomic
def operation_do(
    *, draft: MergeMap, user: User | None, seen: Mapping[int, int], step: Step, codes: Codes | None = None
) -> LabelOperation:
    """Take one step on labels of a draft (by rule without a user): all of them or none.

    `seen`: label id → the revision at which the person saw it. Raises StaleDecision when somebody else changed one of
    them since, or when one is no label of the draft, StageError when the map is published or its taxonomy has no such
    category. `codes`: those of its taxonomy, with the ids that entries still have from the one before it.
    """
    held = draft_locked(draft)
    entries = _entries(held, seen)
    _refuse_stale(entries, {entry.pk: seen[entry.label_id] for entry in entries}, user)
    codes = codes or Codes.of(held)
    before = {entry.pk: EntryState.of(entry, codes.code_of) for entry in entries}
    change_of = {entry.pk: step.changes.get(entry.label_id, step.change) for entry in entries}
    after = {pk: step.quiet[pk] if pk in step.quiet else change_of[pk](state) for pk, state in before.items()}
    if unknown := {state.target for state in after.values() if not codes.has(state.target)}:
        raise StageError(f"There is no category {min(unknown)} any more. Open the merge page again.")
    told = [entry for entry in entries if entry.pk not in step.quiet] or entries
    operation = _record(held, user, Kind.DO, step.verb, {**step.payload, **_told_of(told)})
    _audit(operation, _write(operation, entries, before, after, codes, step.confidence))
    return operation


@transaction.atomic
def operation_undo(
    *, operation: LabelOperation, user: User, partly: bool = False, within: LabelOperation | None = None
) -> LabelOperation | None:
    """Take a step back by a step of its own; an undone step is done again by undoing its undo.

    Only what the step changed goes back. Raises StaleDecision when a later step that stands, of whomever, changed the
    same; with `partly` those labels are left as they are, and None comes back when all of them are. Raises StageError
    when the map is published or the step was taken back already. `within`: the step that this is a part of, and with
    which it is taken back.
    """
    held = draft_locked(operation.merge_map)
    if LabelOperation.objects.filter(undoes=operation).exists():
        raise StageError("This step was taken back already.")
    codes = Codes.of(held)
    back = _Back(operation, codes)
    if back.stale and not partly:
        raise StaleDecision(back.names(), tuple(sorted(back.stale)))
    if back.stale and not back.after:
        return None
    kind = Kind.REDO if operation.kind == Kind.UNDO else Kind.UNDO
    step = _record(held, user, kind, operation.verb, operation.payload, operation, within)
    effects_turn(back.root, standing=kind == Kind.REDO)
    back.after |= outcomes({pk: back.after[pk] for pk in back.answered & back.after.keys()})
    changes = _write(step, back.entries, back.before, back.after, codes, {})
    # What a step took back or did again as its parts goes with it, the newest first.
    for part in operation.parts.order_by("-id"):
        operation_undo(operation=part, user=user, within=step)
    _audit(step, changes)
    return step


def operation_newest(draft: MergeMap, user: User) -> LabelOperation | None:
    """The step that Undo takes back: the person's newest that still stands."""
    return standing(draft, user).order_by("-id").first()


def operation_redoable(draft: MergeMap, user: User) -> LabelOperation | None:
    """The undo that Redo takes back: the person's newest, unless a new step followed it.

    What was undone before a new step stays in the history, from where it can be done again.
    """
    own = draft.operations.filter(actor=user, within=None)
    undo = own.filter(kind=Kind.UNDO, undone_by=None).order_by("-id").first()
    return None if undo is None or own.filter(kind=Kind.DO, pk__gt=undo.pk).exists() else undo


def standing(draft: MergeMap, user: User) -> QuerySet[LabelOperation]:
    """The person's steps that were not taken back, those that a lead took back and gave back among them."""
    return _own(draft, Q(actor=user, within=None) | Q(pk__in=given_back(draft, user)))


def _own(draft: MergeMap, whose: Q) -> QuerySet[LabelOperation]:
    return draft.operations.filter(whose, undone_by=None).exclude(kind=Kind.UNDO)


def given_back(draft: MergeMap, user: User) -> dict[int, LabelOperation]:
    """Step of somebody who took back their revert → the person's own step that stands again by it."""
    parts = draft.operations.filter(kind=Kind.REDO, undone_by=None).exclude(within=None)
    roots = {part.pk: root_of(part) for part in parts.select_related("undoes__undoes")}
    return {pk: root for pk, root in roots.items() if root.actor_id == user.pk}


def root_of(operation: LabelOperation) -> LabelOperation:
    """The step itself of an undo or redo of it."""
    while operation.undoes is not None:
        operation = operation.undoes
    return operation


def _told_of(entries: Sequence[MapEntry]) -> dict[str, Any]:
    """What the history says a step was about, without a look at its labels; a step that has none says it itself."""
    return {"label": entries[0].label.name[:NAMED], "count": len(entries)} if entries else {}


class _Back:
    """The entries of a step as they are, and as they were before it; `stale`: labels that cannot go back.

    `answered`: entries about which the step gave or settled blind answers. What stands about them then follows from the
    answers that are left, so that part of them is never stale.
    """

    def __init__(self, operation: LabelOperation, codes: Codes) -> None:
        self.root = root_of(operation)
        changes = {one.entry_id: one for one in operation.changes.all()}
        settled = {one.entry_id for one in self.root.changes.all() if one.before["second"] != one.after["second"]}
        answers = dict(self.root.opinions.values_list("entry", "target"))
        self.answered = settled | answers.keys()
        wanted = self.answered | changes.keys()
        self.entries = list(MapEntry.objects.filter(pk__in=wanted).select_related("label").order_by("label"))
        since = _changes_since({pk: one.revision for pk, one in changes.items()}, Q())
        later = _later([one for found in since.values() for one in found], self.root)
        self.before: dict[int, EntryState] = {}
        self.after: dict[int, EntryState] = {}
        self.stale: set[int] = set()
        for entry in self.entries:
            now = EntryState.of(entry, codes.code_of)
            changed = changed_fields(changes[entry.pk]) if entry.pk in changes else {}
            if entry.pk in self.answered:
                changed = {name: both for name, both in changed.items() if name not in ANSWERED}
            after = [one for one in since[entry.pk] if one.operation_id in later]
            built_on = any(changed.keys() & changed_fields(one).keys() for one in after)
            back = changed["target"][0] if "target" in changed else ""
            again = answers.get(entry.pk, "") if operation.kind == Kind.UNDO else ""
            gone = not (codes.has(back) and codes.has(again))  # the taxonomy is another one since
            if gone or built_on or any(getattr(now, name) != new for name, (_old, new) in changed.items()):
                self.stale.add(entry.label_id)
                continue
            self.before[entry.pk] = now
            self.after[entry.pk] = replace(now, **{name: old for name, (old, _new) in changed.items()})

    def names(self) -> str:
        return ", ".join(entry.label.name for entry in self.entries if entry.label_id in self.stale)


def changed_fields(change: LabelChange) -> dict[str, tuple[Any, Any]]:
    """Field of the entry → what a change found and what it left, for those that it changed."""
    return {name: (old, change.after[name]) for name, old in change.before.items() if change.after[name] != old}


def _entries(draft: MergeMap, labels: Mapping[int, int]) -> list[MapEntry]:
    """The entries of these labels, by label. Raises StaleDecision for one that the draft lacks."""
    rows = MapEntry.objects.filter(merge_map=draft, label__in=list(labels)).select_related("label").order_by("label")
    found = list(rows)
    if len(found) < len(labels):
        missing = sorted(set(labels) - {entry.label_id for entry in found})
        raise StaleDecision(", ".join(map(str, missing)), tuple(missing))
    return found


def _refuse_stale(entries: Sequence[MapEntry], seen: Mapping[int, int], user: User | None) -> None:
    """A change of one's own since, in another window say, is no conflict."""
    moved = {entry.pk: seen[entry.pk] for entry in entries if entry.revision != seen[entry.pk]}
    if not moved:
        return
    since = _changes_since(moved, ~Q(operation__actor=user) if user else Q())
    stale = [
        entry
        for entry in entries
        if entry.pk in moved and (any(map(_to_see, since[entry.pk])) or moved[entry.pk] > entry.revision)
    ]
    if stale:
        names = ", ".join(entry.label.name for entry in stale)
        raise StaleDecision(names, tuple(entry.label_id for entry in stale))


def _later(changes: Collection[LabelChange], root: LabelOperation) -> set[int]:
    """Ids of the steps of these changes that stand and were first taken after `root`, whoever did them again.

    What was taken back comes to nothing, and so does what took it back.
    """
    steps = LabelOperation.objects.filter(pk__in={one.operation_id for one in changes}, undone_by=None)
    return {one.pk for one in steps.exclude(kind=Kind.UNDO) if root_of(one).pk > root.pk}


def _to_see(change: LabelChange) -> bool:
    """Whether somebody else must have seen a change: that a first person answered blindly is nothing to see."""
    return changed_fields(change).keys() != {"second"} or change.after["second"] == MapEntry.Second.CONFLICT


def _changes_since(revisions: Mapping[int, int], wanted: Q) -> Mapping[int, list[LabelChange]]:
    """Entry id → the wanted changes after this revision of it."""
    found: dict[int, list[LabelChange]] = defaultdict(list)
    rows = LabelChange.objects.filter(entry__in=list(revisions), revision__gt=min(revisions.values(), default=0))
    for change in rows.filter(wanted):
        if change.revision > revisions[change.entry_id]:
            found[change.entry_id].append(change)
    return found


def _record(
    draft: MergeMap,
    user: User | None,
    kind: LabelOperation.Kind,
    verb: str,
    payload: Mapping[str, Any],
    undoes: LabelOperation | None = None,
    within: LabelOperation | None = None,
) -> LabelOperation:
    return LabelOperation.objects.create(
        kind=kind,
        verb=verb,
        merge_map=draft,
        actor=user,
        by=DecidedBy.PERSON if user else DecidedBy.RULE,
        payload=dict(payload),
        undoes=undoes,
        within=within,
        parent_id=_parent(draft, user, within) if user else None,
    )


def _parent(draft: MergeMap, user: User, within: LabelOperation | None) -> int | None:
    """The newest step of a person that stands; to a part of a step no part of another is one."""
    # There may be hundreds of parts: what was given back is not looked for before each.
    steps = _own(draft, Q(actor=user, within=None)) if within else standing(draft, user)
    newest: int | None = steps.aggregate(newest=Max("id"))["newest"]
    return newest


def _write(
    operation: LabelOperation,
    entries: Sequence[MapEntry],
    before: Mapping[int, EntryState],
    after: Mapping[int, EntryState],
    codes: Codes,
    confidence: Mapping[int, float],
) -> list[LabelChange]:
    """Change the entries whose state becomes another one, and note what each was."""
    groups: dict[EntryState, list[int]] = defaultdict(list)
    changes = []
    for entry in entries:
        if entry.pk not in after or after[entry.pk] == before[entry.pk]:
            continue
        groups[after[entry.pk]].append(entry.pk)
        states = {"before": before[entry.pk].kept(), "after": after[entry.pk].kept()}
        sure = confidence.get(entry.label_id)
        changes.append(
            LabelChange(operation=operation, entry=entry, revision=entry.revision + 1, confidence=sure, **states)
        )
    for state, ids in groups.items():
        for at in range(0, len(ids), UPDATED):
            rows = MapEntry.objects.filter(pk__in=ids[at : at + UPDATED])
            rows.update(revision=F("revision") + 1, **state.columns(codes.id_of))
    return LabelChange.objects.bulk_create(changes, batch_size=UPDATED)


def _audit(operation: LabelOperation, changes: Sequence[LabelChange]) -> None:
    """One event a step, with what each label was before. What rules decide is told by their run alone."""
    if operation.actor is None:
        return
    labels = [
        {
            "label": one.entry.label_id,
            "before": {"target": one.before["target"], "revision": one.revision - 1},
            "after": {"target": one.after["target"], "revision": one.revision},
        }
        for one in changes
    ]
    name = operation.verb if operation.kind == Kind.DO else operation.kind
    told = {key: value for key, value in operation.payload.items() if key in TOLD}
    audit(operation.actor, f"label.{name}", f"map {operation.merge_map}", **told, count=len(labels), labels=labels)
