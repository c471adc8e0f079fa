"""Shares of two groups of prompts, and by how much they differ. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two shares, first minus second, with the ends of its 95 % interval; each -1..1."""

    value: float
    low: float
    high: float


def difference(first: int, first_of: int, second: int, second_of: int) -> Difference | None:
    """The difference of two independent shares with its interval (Agresti and Caffo 2000); None where one has no base.

    One success and one failure are added to each group, which keeps the interval honest for few prompts. Raises
    ValueError for more successes than there are prompts.
    """
    if not (0 <= first <= first_of and 0 <= second <= second_of):
        raise ValueError(f"{first} of {first_of} against {second} of {second_of} are no shares")
    if not first_of or not second_of:
        return None
    value = first / first_of - second / second_of
    one, other = (first + 1) / (first_of + 2), (second + 1) / (second_of + 2)
    half = Z95 * sqrt(one * (1 - one) / (first_of + 2) + other * (1 - other) / (second_of + 2))
    return Difference(value, max(-1.0, one - other - half), min(1.0, one - other + half))
