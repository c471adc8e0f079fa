"""Intervals and tests for evaluation scores: standard library only, proportions in 0..1.

Everything here works on counts, so a page can compute it on the fly. "Undefined" is None, never NaN and never 0.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """A point estimate with its bounds, in the unit of the estimate."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """The same items judged twice (base, tuned): how often both hold, only one, or neither."""

    both: int
    only_base: int
    only_tuned: int
    neither: int

    @property
    def n(self) -> int:
        return self.both + self.only_base + self.only_tuned + self.neither


def _check(successes: int, n: int) -> None:
    if n < 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no proportion")


def wilson(successes: int, n: int, z: float = Z95) -> Interval | None:
    """Wilson score interval of a proportion (Wilson 1927); None for n = 0. ValueError for impossible counts."""
    _check(successes, n)
    if n == 0:
        return None
    p, z2 = successes / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # The bounds at 0 and n are exactly 0 and 1; floating point leaves them a hair off.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(p, low, high)


def mcnemar(only_base: int, only_tuned: int) -> float:
    """Two-sided exact McNemar p-value from the two discordant counts; 1.0 when there are none."""
    if only_base < 0 or only_tuned < 0:
        raise ValueError("counts cannot be negative")
    n, k = only_base + only_tuned, min(only_base, only_tuned)
    tail = sum(math.comb(n, i) for i in range(k + 1))
    # Integers of any size divide exactly here, 0.5 ** n would underflow beyond about a thousand.
    p: float = 2 * tail / 2**n
    return min(1.0, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values in the order given. Raises ValueError for a value outside 0..1."""
    if any(not 0 <= p <= 1 for p in p_values):
        raise ValueError("p-values lie between 0 and 1")
    m, running = len(p_values), 0.0
    adjusted = [0.0] * m
    for rank, index in enumerate(sorted(range(m), key=p_values.__getitem__)):
        running = max(running, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def stars(p: float) -> str:
    """`***` below .001, `**` below .01, `*` below .05, else `n.s.`"""
    return next((mark for limit, mark in ((0.001, "***"), (0.01, "**"), (0.05, "*")) if p < limit), "n.s.")


def _phi(pairs: Pairs) -> float:
    """Correlation of the two answers with Newcombe's continuity correction of the numerator; 0 when undefined."""
    a, b, c, d = pairs.both, pairs.only_base, pairs.only_tuned, pairs.neither
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product == 0:
        return 0.0
    numerator = float(a * d - b * c)
    if numerator > 0:
        numerator = max(numerator - pairs.n / 2, 0.0)
    return numerator / math.sqrt(product)


def paired_difference(pairs: Pairs, z: float = Z95) -> Interval | None:
    """Interval of the difference tuned - base; None for no items (Newcombe 1998, Stat. Med. 17:2635, method 10)."""
    base = wilson(pairs.both + pairs.only_base, pairs.n, z)
    tuned = wilson(pairs.both + pairs.only_tuned, pairs.n, z)
    if base is None or tuned is None:
        return None
    phi, difference = _phi(pairs), (pairs.only_tuned - pairs.only_base) / pairs.n
    down, base_up = tuned.value - tuned.low, base.high - base.value
    up, base_down = tuned.high - tuned.value, base.value - base.low
    # max(0, ...): the square is never negative, only its floating point value can be.
    low = math.sqrt(max(0.0, down**2 - 2 * phi * down * base_up + base_up**2))
    high = math.sqrt(max(0.0, up**2 - 2 * phi * up * base_down + base_down**2))
    return Interval(difference, difference - low, difference + high)


def cohen_kappa(table: Mapping[tuple[Hashable, Hashable], int]) -> float | None:
    """Cohen's kappa from counts by (first rater's label, second rater's label).

    None when undefined: no items, or both raters use one and the same label throughout.
    """
    n = sum(table.values())
    if n == 0:
        return None
    first: dict[Hashable, int] = {}
    second: dict[Hashable, int] = {}
    for (a, b), count in table.items():
        first[a] = first.get(a, 0) + count
        second[b] = second.get(b, 0) + count
    chance = sum(count * second.get(label, 0) for label, count in first.items())
    if chance == n * n:
        return None
    agreed = sum(count for (a, b), count in table.items() if a == b)
    expected = chance / (n * n)
    return (agreed / n - expected) / (1 - expected)


def rogan_gladen(observed: float, sensitivity: float, specificity: float) -> float | None:
    """True prevalence behind an imperfect judge's rate (Rogan and Gladen 1978), clipped to 0..1.

    None when sensitivity + specificity - 1 <= 0.05: such a judge tells next to nothing and the estimate explodes.
    Raises ValueError for a value outside 0..1.
    """
    if any(not 0 <= value <= 1 for value in (observed, sensitivity, specificity)):
        raise ValueError("rates lie between 0 and 1")
    youden = sensitivity + specificity - 1
    if youden <= 0.05 + 1e-12:
        return None
    return min(1.0, max(0.0, (observed + specificity - 1) / youden))
