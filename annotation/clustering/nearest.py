"""Evidence E: the categories of labels that were decided, by the pairs that lead to them. numpy alone, for the site."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Array = np.ndarray[Any, Any]
Label = TypeVar("Label", bound=Hashable)

LETTERS = ("A", "B", "C")
_SUREST = 0.99  # no single pair leaves no doubt
UNDECIDED = -1


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs as arrays, each in both directions: from label `source` to label `target`, by their places."""

    source: Array
    target: Array
    letter: Array
    doubt: Array
    labels: int


def links(pairs: Iterable[tuple[Label, Label, str, float]], labels: Sequence[Label]) -> Links:
    """Pairs of (label, label, letter, weight in 0..1) between these labels; others are left out."""
    place = {label: at for at, label in enumerate(labels)}
    rows = [
        (place[first], place[second], LETTERS.index(letter), weight)
        for first, second, letter, weight in pairs
        if first in place and second in place
    ]
    table = np.array(rows, dtype=float).reshape(-1, 4)
    first, second, letter = (table[:, column].astype(int) for column in range(3))
    doubt = np.log1p(-np.minimum(table[:, 3], _SUREST))
    return Links(np.r_[first, second], np.r_[second, first], np.r_[letter, letter], np.r_[doubt, doubt], len(place))


def support(found: Links, decided: Array, categories: int) -> Array:
    """How far the pairs of each letter lead from a label to a category, 0..1: letters × labels × categories.

    `decided` holds the place of the category of each label, UNDECIDED where there is none. The decision about a label
    says nothing of the label itself. Pairs to one category add up as independent evidence does.
    """
    leads = decided[found.target] != UNDECIDED
    row = found.letter[leads] * found.labels + found.source[leads]
    cell = row * categories + decided[found.target[leads]]
    size = len(LETTERS) * found.labels * categories
    doubt = np.bincount(cell, weights=found.doubt[leads], minlength=size)
    return 1.0 - np.exp(doubt.reshape(len(LETTERS), found.labels, categories))


def scores(supported: Array) -> Array:
    """`support` of all letters as one score, labels × categories, 0..1: high where one category alone is supported."""
    together = 1.0 - np.prod(1.0 - supported, axis=0)
    total = together.sum(axis=1, keepdims=True)
    share: Array = together * together / np.where(total > 0, total, 1.0)
    return share


def nearest(
    pairs: Iterable[tuple[Label, Label, str, float]], decided: Mapping[Label, Hashable]
) -> dict[Label, tuple[Hashable, float]]:
    """The likeliest category of each label that a pair links to a decided one, with a score in 0..1.

    Of equally likely categories the first in the order of their names is given.
    """
    pairs = list(pairs)
    labels = list(dict.fromkeys([*(label for pair in pairs for label in pair[:2])]))
    names = sorted(set(decided.values()), key=str)
    place = {name: at for at, name in enumerate(names)}
    known = np.array([place[decided[label]] if label in decided else UNDECIDED for label in labels], dtype=int)
    if not names or not labels:
        return {}
    found = scores(support(links(pairs, labels), known, len(names)))
    best = found.argmax(axis=1)
    return {
        label: (names[at], float(score))
        for label, at, score in zip(labels, best, found.max(axis=1), strict=True)
        if score > 0
    }
