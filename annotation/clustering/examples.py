"""In which order the prompts of a label show what it holds: the most central first, then what is most unlike those."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from annotation.clustering.proposers.prompts import content_vectors
from annotation.clustering.terms import likeness_among

CENTRAL = 3


def examples_order(texts: Sequence[str], *, central: int = CENTRAL) -> list[int]:
    """Places of all texts: the `central` nearest to their middle, then each time the one most unlike all before.

    A label of two meanings so shows the second one early. By the cosine of c-TF-IDF; equal texts keep their order.
    Loads SciPy: for workers and commands.
    """
    return examples_orders([texts], central=central)[0]


def examples_orders(lists: Sequence[Sequence[str]], *, central: int = CENTRAL) -> list[list[int]]:
    """The same for many lists: what is rare is rare among all their texts, and they are counted at once."""
    vectors = content_vectors([[text] for texts in lists for text in texts])
    ends = list(accumulate(map(len, lists)))
    return [
        _order(likeness_among(vectors, end - len(texts), end), central) for texts, end in zip(lists, ends, strict=True)
    ]


def _order(likeness: np.ndarray[Any, Any], central: int) -> list[int]:
    if not len(likeness):
        return []
    order = [int(place) for place in np.argsort(-likeness.sum(axis=1), kind="stable")[:central]]
    nearest = likeness[order].max(axis=0)
    left = [place for place in range(len(likeness)) if place not in order]
    while left:
        place = min(left, key=lambda place: (nearest[place], place))
        left.remove(place)
        order.append(place)
        nearest = np.maximum(nearest, likeness[place])
    return order
