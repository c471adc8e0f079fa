"""How sure the evidence is that a label belongs in a category: a small logistic over the letters A to E.

Pure numbers, for all labels and all categories at once. Before 50 decisions the weights are fixed; from then on they
are fitted to the decisions, and drawn to the fixed ones where these say little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

NOBODY = -1  # the place of "no category", where a label has no suggestion or no decision
FEATURES = ("base", "D for", "D against", "A", "B", "C", "E")
FIXED = np.array([-4.5, 7.4, -1.5, 2.0, 1.5, 1.0, 4.5])
FEWEST = 50  # decisions from which the weights are fitted
RIDGE = 4.0  # how many decisions' worth the fixed weights are
EVEN = 0.5  # a suggestion that is no surer says next to nothing about other labels
FAINT = 0.05
DOUBT = 0.3  # weight of neighbours that is as good as none: with as much the voice of neighbours counts half
ROUNDS, SETTLED = 20, 1e-6


@dataclass(frozen=True, eq=False)
class Pairs:
    """Evidence between labels by their places, each pair in both directions. `letter`: 0 A, 1 B, 2 C."""

    one: Array
    other: Array
    letter: Array
    weight: Array


@dataclass(frozen=True, eq=False)
class Voices:
    """What is said of each label: the places of the suggested and of the decided category or NOBODY.

    `sure`: confidence of the suggestion, 0..1.
    """

    suggested: Array
    sure: Array
    decided: Array


def features(pairs: Pairs, voices: Voices, categories: int) -> Array:
    """Labels × categories × FEATURES, each in 0..1. No feature of a label looks at its own decision."""
    labels = len(voices.suggested)
    found = np.zeros((labels, categories, len(FEATURES)))
    found[:, :, 0] = 1.0
    own = np.zeros((labels, categories))
    said = voices.suggested != NOBODY
    heard = np.maximum((voices.sure - EVEN) / (1.0 - EVEN), FAINT)
    own[said, voices.suggested[said]] = voices.sure[said]
    found[:, :, 1] = own
    found[:, :, 2] = np.where(said, voices.sure, 0.0)[:, None] - own
    for letter in range(3):
        wanted = pairs.letter == letter
        told = wanted & said[pairs.other]
        found[:, :, 3 + letter] = _share(pairs, told, voices.suggested, heard, labels, categories)
    decided = voices.decided[pairs.other] != NOBODY
    found[:, :, 6] = _share(pairs, decided, voices.decided, np.ones(labels), labels, categories)
    return found


def _share(pairs: Pairs, chosen: Array, category: Array, sure: Array, labels: int, categories: int) -> Array:
    """The share of the weight of the chosen neighbours that speaks for each category, less for few neighbours."""
    at = pairs.one[chosen] * categories + category[pairs.other[chosen]]
    weights = pairs.weight[chosen] * sure[pairs.other[chosen]]
    votes = np.bincount(at, weights=weights, minlength=labels * categories).reshape(labels, categories)
    share: Array = votes / (DOUBT + votes.sum(axis=1, keepdims=True))
    return share


def confidence(found: Array, weights: Array) -> Array:
    """Labels × categories: the probability that the label belongs there, 0..1. They need not add up to one."""
    sure: Array = 1.0 / (1.0 + np.exp(-(found @ weights)))
    return sure


def fit(found: Array, decided: Array) -> Array:
    """Weights fitted to the decided labels, FIXED with fewer than 50 of them. Newton steps, ridge around FIXED."""
    known = decided != NOBODY
    if int(known.sum()) < FEWEST:
        return FIXED
    rows = found[known]
    right = np.zeros(rows.shape[:2])
    right[np.arange(len(rows)), decided[known]] = 1.0
    x, y = rows.reshape(-1, len(FEATURES)), right.reshape(-1)
    weights = FIXED
    for _ in range(ROUNDS):
        sure = confidence(x, weights)
        slope = x.T @ (sure - y) + RIDGE * (weights - FIXED)
        bend = (x * (sure * (1.0 - sure))[:, None]).T @ x + RIDGE * np.eye(len(FEATURES))
        step = np.linalg.solve(bend, slope)
        weights = weights - step
        if float(np.abs(step).max()) < SETTLED:
            break
    return weights
