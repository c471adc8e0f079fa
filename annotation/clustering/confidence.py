"""How sure a category is for a label: a logistic model over the evidence A to E, refitted on what people decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.clustering.nearest import UNDECIDED, Links, scores, support

Array = np.ndarray[Any, Any]

FEATURES = (
    "exact",
    "names",
    "prompts",
    "nearest",
    "suggestion",
    "neighbours_suggestion",
    "against",
    "other_suggestion",
)
FEWEST = 50  # decisions: before, the weights are those below
_RIDGE = 4.0  # pull towards them, in decisions
_STEPS = 25


@dataclass(frozen=True, slots=True)
class Weights:
    """One weight for each of FEATURES, and the constant. `decisions`: on how many it was fitted, 0 for FIXED."""

    values: tuple[float, ...]
    constant: float
    decisions: int = 0


# Set by hand so that an exact key to one decided label gives 0.9, and a suggestion of 0.9 alone 0.65.
FIXED = Weights((4.0, 2.5, 2.0, 1.5, 4.2, 1.0, -2.5, -0.7), constant=-3.2)


def features(found: Links, decided: Array, suggested: Array, suggestion: Array, categories: int) -> Array:
    """FEATURES of every label and category, 0..1: labels × categories × 8.

    `decided` and `suggested` hold places of categories by label, UNDECIDED where there is none; `suggestion` is how
    sure the suggestion is (0..1). Features of a decided label are what they were without its decision, so it can be
    learnt from.
    """
    supported = support(found, decided, categories)
    near = scores(supported)
    own = np.zeros((found.labels, categories))
    known = suggested != UNDECIDED
    own[known, suggested[known]] = suggestion[known]
    around = scores(support(found, suggested, categories))
    return np.stack([*supported, near, own, around, _best_other(near), _best_other(own)], axis=-1)


def _best_other(values: Array) -> Array:
    """The highest value among the other categories of a label."""
    if values.shape[1] < 2:
        return np.zeros_like(values)
    two = np.sort(values, axis=1)[:, -2:]
    best: Array = np.where(values == two[:, 1:], two[:, :1], two[:, 1:])
    return best


def confidence(of: Array, weights: Weights = FIXED) -> Array:
    """How sure each category is for each label, 0..1; categories of one label need not add up to 1."""
    return _logistic(of @ np.array(weights.values) + weights.constant)


def fit(of: Array, decided: Array) -> Weights:
    """Weights that give the decisions their likeliest confidence, pulled towards the fixed ones; FIXED below 50.

    `of` are the `features` with these decisions. Newton's method; the pull keeps it from weights without bound.
    """
    made = decided != UNDECIDED
    count = int(made.sum())
    if count < FEWEST:
        return FIXED
    rows = np.concatenate([of[made], np.ones((*of[made].shape[:2], 1))], axis=-1).reshape(-1, len(FEATURES) + 1)
    hit = (np.arange(of.shape[1]) == decided[made][:, None]).ravel().astype(float)
    start = np.array([*FIXED.values, FIXED.constant])
    values = start.copy()
    for _ in range(_STEPS):
        sure = _logistic(rows @ values)
        slope = rows.T @ (sure - hit) + _RIDGE * (values - start)
        curve = (rows * (sure * (1.0 - sure))[:, None]).T @ rows + _RIDGE * np.eye(len(start))
        step = np.linalg.solve(curve, slope)
        values = values - np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-6:
            break
    return Weights(tuple(map(float, values[:-1])), float(values[-1]), count)


def _logistic(values: Array) -> Array:
    sure: Array = 1.0 / (1.0 + np.exp(-np.clip(values, -30.0, 30.0)))
    return sure
