"""Pairs become groups that do not overlap. Precision first: people join more easily than they take apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from annotation.clustering.proposers.base import Pair

Couple = tuple[str, str]

SURE = 0.7  # blended weight from which two labels are put together
COUNTS = 0.5  # weight from which a couple counts for the groups that it stands in
HELD = 0.25  # mean weight between two groups from which they become one


def blended(pairs: Iterable[Pair]) -> dict[Couple, float]:
    """How sure all evidence together is of two labels, 0..1: each piece takes its share of the doubt that is left.

    Of each kind only the surest piece counts.
    """
    best: dict[tuple[str, str, str, str], float] = {}
    for pair in pairs:
        key = (pair.first, pair.second, pair.letter, pair.kind)
        best[key] = max(best.get(key, 0.0), pair.weight)
    doubt: dict[Couple, float] = defaultdict(lambda: 1.0)
    for (first, second, _, _), weight in sorted(best.items()):
        doubt[first, second] *= 1.0 - weight
    return {couple: 1.0 - left for couple, left in doubt.items()}


def grouped(
    weights: Mapping[Couple, float], *, refused: Collection[Couple] = (), sure: float = SURE, held: float = HELD
) -> list[list[str]]:
    """Disjoint groups of at least two labels, the surest couples first; no group holds a refused couple.

    A couple is joined, with the groups that both stand in, where the mean weight between these is at least `held`; a
    couple below COUNTS has none. The order of the input does not matter. Labels of a group, and groups by their first
    label, are sorted.
    """
    apart = _apart(refused)
    group_of: dict[str, set[str]] = {}
    for _, first, second in sorted((-weight, *couple) for couple, weight in weights.items() if weight >= sure):
        ours, theirs = group_of.get(first, {first}), group_of.get(second, {second})
        if (
            ours is theirs
            or _mean(weights, ours, theirs) < held
            or any(not apart[label].isdisjoint(theirs) for label in ours if label in apart)
        ):
            continue
        joined = ours | theirs
        group_of.update(dict.fromkeys(joined, joined))
    return sorted(sorted(group) for group in {id(group): group for group in group_of.values()}.values())


def _mean(weights: Mapping[Couple, float], ours: Collection[str], theirs: Collection[str]) -> float:
    found = [weights.get((min(one, other), max(one, other)), 0.0) for one in ours for other in theirs]
    total = sum(weight for weight in found if weight >= COUNTS)
    return total / (len(ours) * len(theirs))


def _apart(refused: Collection[Couple]) -> dict[str, set[str]]:
    apart: dict[str, set[str]] = defaultdict(set)
    for first, second in refused:
        apart[first].add(second)
        apart[second].add(first)
    return apart
