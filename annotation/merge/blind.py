"""The two-person rule: which labels need two answers, and what a label's answers come to.

What stands about such a label follows from its history alone: from the last decision that was no blind answer (the
base) and from the answers given since. So answers and settlements can be taken back in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from annotation.label_use import label_use
from annotation.labelling import runs_read
from annotation.merge.states import DROP, EntryState
from annotation.models import (
    Category,
    DecidedBy,
    LabelChange,
    LabelOperation,
    LabelOpinion,
    LabelSuggestion,
    MapEntry,
    MergeMap,
    MergePolicy,
)
from madsafe_web.core.access import can
from madsafe_web.core.audit import audit
from madsafe_web.core.models import User

Second = MapEntry.Second


def policy_now() -> MergePolicy:
    """The rule as it stands; switched off until somebody sets it."""
    return MergePolicy.objects.first() or MergePolicy()


def policy_set(*, user: User, two_people: bool, prompts_from: int, confidence_below: float) -> MergePolicy:
    """Change which labels need two people, from the next decision on."""
    values = {"two_people": two_people, "prompts_from": prompts_from, "confidence_below": confidence_below}
    row, _new = MergePolicy.objects.update_or_create(pk=1, defaults=values)
    audit(user, "merge.policy", "two-person rule", **values)
    return row


def labels_of_two(labels: Collection[int], merge_map: MergeMap) -> set[int]:
    """Those of these labels that two people must decide about: on many prompts, or doubtful to the model."""
    rule = policy_now()
    if not rule.two_people:
        return set()
    counts = label_use(runs_read(merge_map)).counts
    rows = LabelSuggestion.objects.filter(label__in=labels).order_by("id")
    sure = dict(rows.values_list("label", "confidence"))  # of the newest
    big = {pk for pk in labels if counts.get(pk, 0) >= rule.prompts_from}
    return big | {pk for pk in labels if sure.get(pk, 1.0) < rule.confidence_below}


@dataclass(frozen=True, slots=True)
class Base:
    """The last decision that was no blind answer, and the id of its step: only later answers count."""

    target: str
    by: str
    step: int = 0

    def with_answers(self, state: EntryState, answers: Collection[str]) -> EntryState:
        """A state with what stands now: two equal answers decide, different ones leave the base and a conflict."""
        if len(answers) > 1 and len(set(answers)) == 1:
            target = next(iter(answers))
            by = DecidedBy.PERSON if target else DecidedBy.NOBODY
            return replace(state, target=target, by=by, second=Second.NONE)
        second = (Second.NONE, Second.WAITING, Second.CONFLICT)[min(len(answers), 2)]
        return replace(state, target=self.target, by=self.by, second=second)


@dataclass(slots=True)
class Answering:
    """One person's decision about labels: which of them it answers blindly, and which disagreements it settles."""

    user: User
    target: str
    blind: dict[int, EntryState] = field(default_factory=dict)  # entry id → its state with this answer
    settled: set[int] = field(default_factory=set)  # entry ids

    @classmethod
    def of(cls, user: User, target: str, draft: MergeMap, entries: Mapping[MapEntry, EntryState]) -> Answering:
        """`entries`: those that the person decides about, with their states. Call it with the draft held."""
        found = cls(user, target)
        two = labels_of_two([entry.label_id for entry in entries], draft)
        asked = {entry.pk: state for entry, state in entries.items() if entry.label_id in two}
        if can(user, "adjudicate"):
            found.settled = {pk for pk, state in asked.items() if state.second == Second.CONFLICT}
        asked = {pk: state for pk, state in asked.items() if pk not in found.settled}
        bases, answers = _bases(asked), _answers(asked)
        for pk, state in asked.items():
            others = [one.target for one in answers[pk] if one.person_id != user.pk and _counts(one, bases[pk])]
            found.blind[pk] = bases[pk].with_answers(state, [*others, target])
        return found

    def keep(self, operation: LabelOperation) -> None:
        """Store the answers of a step, which replace the person's own older ones."""
        LabelOpinion.objects.filter(entry__in=self.blind, person=self.user, standing=True).update(standing=False)
        rows = [
            LabelOpinion(entry_id=pk, person=self.user, target=self.target, operation=operation) for pk in self.blind
        ]
        LabelOpinion.objects.bulk_create(rows)


def opinions_turn(operation: LabelOperation, undone: bool) -> None:
    """Take the answers of a step back, or give them again; of a person's answers the newest that is left stands."""
    opinions = LabelOpinion.objects.filter(operation=operation)
    opinions.update(undone=undone)
    for entry, person in opinions.values_list("entry", "person"):
        own = LabelOpinion.objects.filter(entry=entry, person=person)
        newest = own.filter(undone=False).order_by("-id").first()
        own.filter(standing=True).update(standing=False)
        if newest:
            own.filter(pk=newest.pk).update(standing=True)


def outcomes(states: Mapping[int, EntryState]) -> dict[int, EntryState]:
    """Entry id → its state with what its answers come to now; `states`: what it is."""
    bases, answers = _bases(states), _answers(states)
    return {
        pk: bases[pk].with_answers(state, [one.target for one in answers[pk] if _counts(one, bases[pk])])
        for pk, state in states.items()
    }


def opinions_carry(waiting: Mapping[int, EntryState], copies: Mapping[int, int]) -> None:
    """Let the answers that count about entries go on in their copies; `copies`: entry id → that of its copy."""
    bases, answers = _bases(waiting), _answers(waiting)
    LabelOpinion.objects.bulk_create(
        LabelOpinion(entry_id=copies[pk], person_id=one.person_id, target=one.target, operation_id=one.operation_id)
        for pk in waiting
        for one in answers[pk]
        if _counts(one, bases[pk])
    )


def _counts(opinion: LabelOpinion, base: Base) -> bool:
    return opinion.operation_id > base.step


def _answers(entries: Iterable[int]) -> dict[int, list[LabelOpinion]]:
    found: dict[int, list[LabelOpinion]] = defaultdict(list)
    for opinion in LabelOpinion.objects.filter(entry__in=list(entries), standing=True).order_by("id"):
        found[opinion.entry_id].append(opinion)
    return found


def _bases(states: Mapping[int, EntryState]) -> dict[int, Base]:
    """Entry id → its base: the newest standing decision about it, else what the draft began with."""
    rows = LabelChange.objects.filter(entry__in=list(states)).select_related("operation").order_by("revision")
    changes: dict[int, list[LabelChange]] = defaultdict(list)
    for change in rows:
        changes[change.entry_id].append(change)
    blind = set(LabelOpinion.objects.filter(entry__in=list(states)).values_list("operation", "entry"))
    decisions = {
        pk: [one for one in found if (one.operation_id, pk) not in blind and _decides(one)]
        for pk, found in changes.items()
    }
    undone = taken_back({one.operation_id for found in decisions.values() for one in found})
    bases = {pk: _base(state, changes[pk], decisions.get(pk, []), undone) for pk, state in states.items()}
    return _in_taxonomy(bases)


def _in_taxonomy(bases: dict[int, Base]) -> dict[int, Base]:
    """Bases whose category a newer taxonomy took away, while answers stood in front of them, are undecided."""
    taxonomies = MapEntry.objects.filter(pk__in=list(bases)).values("merge_map__taxonomy")
    known = {*Category.objects.filter(taxonomy__in=taxonomies).values_list("code", flat=True), "", DROP}
    return {
        pk: base if base.target in known else replace(base, target="", by=DecidedBy.NOBODY)
        for pk, base in bases.items()
    }


def _base(
    state: EntryState, changes: Sequence[LabelChange], decisions: Sequence[LabelChange], undone: Collection[int]
) -> Base:
    standing = [one for one in decisions if one.operation_id not in undone]
    if standing:
        last, said = standing[-1], [one.operation_id for one in standing if not _renames(one)]
        return Base(last.after["target"], last.after["by"], max(said, default=0))
    if changes:
        return Base(changes[0].before["target"], changes[0].before["by"])
    return Base(state.target, state.by)


def _decides(change: LabelChange) -> bool:
    """Whether a step decided or settled, rather than named or flagged the label."""
    return change.operation.kind == LabelOperation.Kind.DO and any(
        change.before[name] != change.after[name] for name in ("target", "by", "second")
    )


def _renames(change: LabelChange) -> bool:
    """Whether a step only gave the category another code: answers from before it go on."""
    renamed = change.before["target"] != change.after["target"] != ""
    return renamed and "taxonomy" in change.operation.payload


def taken_back(steps: Collection[int]) -> set[int]:
    """Those of these steps that are taken back now: undone an odd number of times, each time by undoing the last."""
    root_of = {pk: pk for pk in steps}
    undone: set[int] = set()
    while root_of:
        rows = LabelOperation.objects.filter(undoes__in=list(root_of)).values_list("undoes", "id")
        root_of = {pk: root_of[undoes] for undoes, pk in rows if undoes is not None}
        undone ^= set(root_of.values())
    return undone
