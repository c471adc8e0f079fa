"""What the merge page proposes: undecided labels that may be decided together, and into which category.

Nothing here decides anything. A proposal is accepted with one keystroke, so those stand first that decide the most
prompts with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from annotation.label_use import LabelUse
from annotation.merge.states import DROP
from annotation.models import DecidedBy, IntentLabel, LabelSuggestion, MapEntry, MergeMap

MOST = 500  # proposals given


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a label stands in a proposal.

    `letter`: A same name, B similar name, C same prompts, D suggestion of a model, E labels decided before. `kind` is
    that of the proposer (annotation.clustering), "" for D and E. `other`: the label beside which A to C put it, that
    speaks most for it with E. `target`: what D and E say, a category code or DROP. `weight` in 0..1, higher is surer.
    """

    letter: str
    kind: str
    weight: float
    other: int | None = None
    target: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One label of a proposal. `suggested`: what a model says of it, a category code, DROP or ""; `confidence` of that.

    `differs`: the model says something else than the proposal, so the label is not ticked by itself.
    """

    label: int
    prompts: int
    suggested: str
    confidence: float | None
    differs: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Undecided labels that stand together, those of most prompts first.

    `target`: category code, DROP or "" where nothing is known; `confidence` in 0..1 that the ticked belong there.
    `letters`: the evidence, "ABD" say. `prompts`: number of prompts with any of the labels, ticked or not.
    """

    labels: tuple[int, ...]
    target: str
    confidence: float
    letters: str
    prompts: int
    members: tuple[Member, ...]

    @property
    def ticked(self) -> tuple[int, ...]:
        """The labels that accepting it decides."""
        return tuple(member.label for member in self.members if not member.differs)


def proposals(merge_map: MergeMap | None, use: LabelUse) -> list[Proposal]:
    """Disjoint proposals of the labels that a map leaves undecided (of all without a map), at most 500.

    The first are those that are expected to decide the most prompts with one keystroke.
    """
    entries = MapEntry.objects.filter(merge_map=merge_map).exclude(decided_by=DecidedBy.NOBODY)
    decided = set(entries.values_list("label", flat=True))
    rows = LabelSuggestion.objects.order_by("id").values_list("label", "category__code", "confidence")
    suggested = {label: (code or DROP, confidence) for label, code, confidence in rows}
    wanted = [pk for pk in IntentLabel.objects.values_list("id", flat=True) if pk in use.counts and pk not in decided]
    found = [_alone(label, use.counts[label], suggested) for label in wanted]
    found.sort(key=lambda one: (-one.prompts * one.confidence, -one.prompts, one.labels))
    return found[:MOST]


def _alone(label: int, prompts: int, suggested: Mapping[int, tuple[str, float]]) -> Proposal:
    target, confidence = suggested.get(label, ("", 0.0))
    reasons = (Reason("D", "", confidence, target=target),) if target else ()
    member = Member(label, prompts, target, confidence if target else None, differs=False, reasons=reasons)
    return Proposal((label,), target, confidence, "D" if target else "", prompts, (member,))
