"""How well people agree who answered without seeing each other: percent, Krippendorff's alpha, Gwet's AC1, prevalence.

Answers are nominal. A unit is a label; only units with two or more answers count. With weights each unit counts as many
times as its weight says, here the prompts that carry the label. Values are None where they are undefined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SAMPLES = 1000  # of the bootstrap
SEED = 20_240_501  # the same interval on every look
DRAWN = 1_000_000  # units drawn at once, which bounds the memory
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """`percent`: 0..100 of the pairs of answers that are equal. `interval`: 95 % bootstrap interval of alpha.

    `undefined`: alpha does not exist since all answers are equal. `prevalence`: answer → its share of all, 0..1.
    """

    units: int
    percent: float | None
    alpha: float | None
    interval: tuple[float, float] | None
    ac1: float | None
    prevalence: dict[str, float]
    undefined: bool


def agreement(answers: Sequence[Sequence[str]], weights: Sequence[float] | None = None) -> Agreement:
    """The agreement over units, given the answers to each of them and, wanted, how much each counts (> 0)."""
    kept = [place for place, row in enumerate(answers) if len(row) > 1]
    if not kept:
        return Agreement(0, None, None, None, None, {}, False)
    values = sorted({one for place in kept for one in answers[place]})
    table = np.array([[answers[place].count(value) for value in values] for place in kept], dtype=float)
    weight = np.array([weights[place] for place in kept], dtype=float) if weights else np.ones(len(kept))
    found = alpha(table, weight)
    shares = weight @ table
    return Agreement(
        units=len(kept),
        percent=100 * float(np.average(_agreeing(table), weights=weight)),
        alpha=found,
        interval=_interval(table, weight) if found is not None else None,
        ac1=ac1(table, weight),
        prevalence=dict(zip(values, (shares / shares.sum()).tolist(), strict=True)),
        undefined=found is None,
    )


def alpha(table: Floats, weight: Floats) -> float | None:
    """Krippendorff's alpha for nominal data; `table`: units × answers, how often each was given.

    None when all answers are equal. Krippendorff, Computing Krippendorff's alpha-reliability (2011).
    """
    given = table.sum(axis=1)
    observed = float(weight @ (given * (1 - _agreeing(table))))
    totals = weight @ table
    number: float = totals.sum().item()
    expected = (number**2 - float(totals @ totals)) / (number - 1)
    return float(1 - observed / expected) if expected > 0 else None


def ac1(table: Floats, weight: Floats) -> float | None:
    """Gwet's AC1; None with a single answer, of which chance says nothing. Gwet, BJMSP 61 (2008)."""
    answers = table.shape[1]
    if answers < 2:
        return None
    shares = np.average(table / table.sum(axis=1, keepdims=True), axis=0, weights=weight)
    chance = float((shares * (1 - shares)).sum()) / (answers - 1)
    seen = float(np.average(_agreeing(table), weights=weight))
    return float((seen - chance) / (1 - chance))


def _agreeing(table: Floats) -> Floats:
    """For each unit the share of pairs of answers that are equal."""
    given = table.sum(axis=1)
    found: Floats = (table * (table - 1)).sum(axis=1) / (given * (given - 1))
    return found


def _interval(table: Floats, weight: Floats) -> tuple[float, float] | None:
    """Percentiles 2.5 and 97.5 of alpha over samples of units; samples whose answers are all equal say nothing."""
    random = np.random.default_rng(SEED)
    given = table.sum(axis=1)
    disagreeing = weight * given * (1 - _agreeing(table))
    found: list[Floats] = []
    for at in range(0, SAMPLES, rows := max(1, DRAWN // len(table))):
        times = _times(random, min(rows, SAMPLES - at), len(table))
        totals = (times * weight) @ table
        number = totals.sum(axis=1)
        expected = (number**2 - (totals**2).sum(axis=1)) / (number - 1)
        varied = expected > 0
        found.append(1 - (times @ disagreeing)[varied] / expected[varied])
    alphas = np.concatenate(found)
    if not len(alphas):
        return None
    low, high = np.percentile(alphas, [2.5, 97.5])
    return float(low), float(high)


def _times(random: np.random.Generator, samples: int, units: int) -> Floats:
    """Samples × units: how often each of `units` draws with replacement takes each unit."""
    drawn = random.integers(0, units, (samples, units)) + units * np.arange(samples)[:, None]
    return np.bincount(drawn.ravel(), minlength=samples * units).reshape(samples, units).astype(float)
