"""Which labels stand together in a proposal, and for which category: pure, from the evidence that was stored."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from annotation.clustering.confidence import confidence, features, fit
from annotation.clustering.grouping import grouped
from annotation.clustering.nearest import LETTERS, UNDECIDED, Array, Links

CONFIDENT = 0.8  # suggestion from which labels of one category may stand together without other evidence
MOST_ALIKE = 12  # labels that one look takes in
DOUBTFUL = 0.6  # a suggestion that is less sure speaks against nothing


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
        """The labels that accepting it decides: those that do not differ, or all where all of them do."""
        return tuple(member.label for member in self.members if not member.differs) or self.labels


@dataclass(frozen=True, eq=False)
class Stored:
    """The pairs of one run of `propose`: two label ids (the smaller first), letter, weight and kind of each."""

    rows: Sequence[tuple[int, int, str, float, str]]

    @cached_property
    def weights(self) -> dict[tuple[int, int], float]:
        """Two labels → how sure all evidence together is of them: each kind takes its share of the doubt left."""
        doubt: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
        for first, second, _, weight, _ in self.rows:
            doubt[first, second] *= 1.0 - weight
        return {couple: 1.0 - left for couple, left in doubt.items()}

    @cached_property
    def near(self) -> Mapping[int, Sequence[tuple[float, int, str, str]]]:
        """Label → weight, other label, letter and kind of its pairs, the surest first."""
        found: dict[int, list[tuple[float, int, str, str]]] = defaultdict(list)
        for first, second, letter, weight, kind in self.rows:
            found[first].append((weight, second, letter, kind))
            found[second].append((weight, first, letter, kind))
        return {label: sorted(rows, key=lambda row: (-row[0], *row[1:])) for label, rows in found.items()}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about all labels to merge, by label id. `targets`: what a label can be decided as.

    `links` are the pairs of `stored` between the labels of `counts`, in its order.
    `groups` are disjoint and hold none of the `refused` pairs (the smaller id first).
    """

    counts: Mapping[int, int]  # numbers of prompts; 0 for a label that none carries
    targets: Sequence[str]
    suggested: Mapping[int, tuple[str, float]]
    decided: Mapping[int, str]
    refused: Collection[tuple[int, int]]
    stored: Stored
    links: Links
    groups: Sequence[Sequence[int]]


def groups_of(stored: Stored, refused: Collection[tuple[int, int]]) -> list[list[int]]:
    """Disjoint groups of labels that may mean the same, none of which holds a refused pair."""
    return grouped(stored.weights, refused=refused)


def gather(known: Known, most: int) -> list[Proposal]:
    """Disjoint proposals of the undecided labels: the `most` that decide the most prompts with one keystroke, in order.

    Reasons are looked up for these alone: for all labels that takes as long as all the rest.
    """
    weighed = _Weighed(known)
    groups = [[label for label in group if label not in known.decided] for group in known.groups]
    together = [group for group in groups if len(group) > 1]
    grouped_ids = {label for group in together for label in group}
    rest = [label for label in known.counts if label not in known.decided and label not in grouped_ids]
    found = [weighed.sketch(group) for group in (*together, *_alike(known, weighed, rest))]
    return [weighed.proposal(one) for one in sorted(found, key=lambda one: one.order)[:most]]


def _alike(known: Known, weighed: _Weighed, labels: Iterable[int]) -> list[list[int]]:
    """Labels that are surely of one target, at most 12 together and no refused pair among them; the others alone."""
    found: list[list[int]] = []
    of_target: dict[str, list[list[int]]] = defaultdict(list)
    for label in sorted(labels, key=lambda label: (-known.counts[label], label)):
        target = weighed.best([label])
        sure = weighed.surely(label, target)
        home = next((group for group in of_target[target] if _takes(group, label, known.refused)), None)
        if sure < CONFIDENT or home is None:
            home = []
            found.append(home)
            if sure >= CONFIDENT:
                of_target[target].append(home)
        home.append(label)
        if len(home) == MOST_ALIKE and sure >= CONFIDENT:  # else each label asks all full ones
            of_target[target].remove(home)
    return found


def _takes(group: Sequence[int], label: int, refused: Collection[tuple[int, int]]) -> bool:
    return len(group) < MOST_ALIKE and not any((min(label, one), max(label, one)) in refused for one in group)


@dataclass(frozen=True, slots=True)
class _Sketch:
    """A proposal without its reasons. `ticked`: number of its labels that are; `gained`: of their prompts."""

    labels: tuple[int, ...]
    target: str
    confidence: float
    prompts: int
    ticked: int
    gained: int

    @property
    def order(self) -> tuple[float, int, int, tuple[int, ...]]:
        """The first are those whose one keystroke is expected to decide the most prompts, then the most labels."""
        return (-self.gained * self.confidence, -self.prompts, -self.ticked, self.labels)


class _Weighed:
    """How sure the evidence is of each label and target, and the proposals that follow."""

    def __init__(self, known: Known) -> None:
        self.known = known
        at = {target: place for place, target in enumerate(known.targets)}
        said = [known.suggested.get(label, ("", 0.0)) for label in known.counts]
        suggested = np.array([at.get(target, UNDECIDED) for target, _ in said], dtype=int)
        decided = np.array([at.get(known.decided.get(label, ""), UNDECIDED) for label in known.counts], dtype=int)
        found = features(known.links, decided, suggested, np.array([sure for _, sure in said]), len(at))
        told: Array = np.any(found, axis=(1, 2))
        sure = np.where(told[:, None], confidence(found, fit(found, decided)), 0.0)
        self.sure: dict[int, list[float]] = dict(zip(known.counts, sure.tolist(), strict=True))  # 0: nothing is told

    def best(self, labels: Sequence[int]) -> str:
        """The target that most of the labels' prompts speak for, "" where nothing is known.

        By the logarithm of their numbers: the many prompts of one label do not outvote all others. A label that no
        prompt carries speaks as one on a single prompt.
        """
        total = [0.0] * len(self.known.targets)
        for label in labels:
            size = math.log1p(self.known.counts[label] or 1)
            total = [held + size * sure for held, sure in zip(total, self.sure[label], strict=True)]
        most = max(total, default=0.0)
        return self.known.targets[total.index(most)] if most else ""

    def surely(self, label: int, target: str) -> float:
        """How sure a target is of a label, by all evidence or by its suggestion alone; 0 where that differs."""
        suggested, sure = self.known.suggested.get(label, ("", 0.0))
        if not target or self._differs(label, target):
            return 0.0
        return max(self.sure[label][self.known.targets.index(target)], sure if suggested == target else 0.0)

    def _differs(self, label: int, target: str) -> bool:
        suggested, sure = self.known.suggested.get(label, ("", 0.0))
        return bool(suggested) and suggested != target and sure >= DOUBTFUL

    def sketch(self, labels: Sequence[int]) -> _Sketch:
        counts = self.known.counts
        ordered = sorted(labels, key=lambda label: (-counts[label], label))
        target = self.best(ordered)
        ticked = [label for label in ordered if not self._differs(label, target)] or ordered
        return _Sketch(
            labels=tuple(ordered),
            target=target,
            confidence=self._mean(ticked, target) if target else 0.0,
            prompts=sum(counts[label] for label in ordered),
            ticked=len(ticked),
            gained=sum(counts[label] for label in ticked),
        )

    def proposal(self, sketch: _Sketch) -> Proposal:
        target, within = sketch.target, set(sketch.labels)
        members = tuple(self._member(label, target, within) for label in sketch.labels)
        letters = {reason.letter for one in members for reason in one.reasons if reason.target in ("", target)}
        return Proposal(
            labels=sketch.labels,
            target=target,
            confidence=sketch.confidence,
            letters="".join(sorted(letters)),
            prompts=sketch.prompts,
            members=members,
        )

    def _mean(self, labels: Sequence[int], target: str) -> float:
        """How sure the target is of the prompts of the labels, 0..1."""
        at = self.known.targets.index(target)
        sizes = [self.known.counts[label] or 1 for label in labels]
        return sum(size * self.sure[label][at] for size, label in zip(sizes, labels, strict=True)) / sum(sizes)

    def _member(self, label: int, target: str, within: Collection[int]) -> Member:
        suggested, sure = self.known.suggested.get(label, ("", None))
        reasons = (*self._beside(label, within), *self._model(suggested, sure), *self._decided(label))
        return Member(label, self.known.counts[label], suggested, sure, self._differs(label, target), reasons)

    def _beside(self, label: int, labels: Collection[int]) -> Iterator[Reason]:
        """The surest pair of each letter with a label of the same proposal."""
        told: set[str] = set()
        for weight, other, letter, kind in self.known.stored.near.get(label, ()):
            if other in labels and letter not in told:
                told.add(letter)
                yield Reason(letter, kind, weight, other=other)
                if len(told) == len(LETTERS):
                    return

    def _model(self, suggested: str, sure: float | None) -> Iterator[Reason]:
        if suggested and sure is not None:
            yield Reason("D", "", sure, target=suggested)

    def _decided(self, label: int) -> Iterator[Reason]:
        """The decided label that is nearest."""
        for weight, other, _, _ in self.known.stored.near.get(label, ()):
            if other in self.known.decided:
                yield Reason("E", "", weight, other=other, target=self.known.decided[other])
                return
