"""The nearest texts of a text by the characters or words that are rare among all: TF-IDF and cosine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def mutual(likeness: np.ndarray[Any, Any], *, most: int, least: float) -> Iterator[tuple[int, int, float]]:
    """Any two rows that are among each other's `most` nearest, as (row, row, likeness).

    `likeness` is symmetric, in 0..1; what lies below `least` is no neighbour, and of equals the earlier row is nearer.
    """
    found = likeness.copy()
    np.fill_diagonal(found, 0.0)
    if found.shape[0] > most:
        bound = found.max(axis=1) if most == 1 else np.partition(found, -most, axis=1)[:, -most]
        near = found >= np.maximum(bound, least)[:, None]
    else:
        near = found >= least
    for first, second in zip(*np.nonzero(np.triu(near & near.T, 1)), strict=True):
        yield int(first), int(second), float(found[first, second])
