"""In which order the prompts of a label show what it holds: the most central first, then what is most unlike those."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annotation.clustering.proposers.prompts import content_vectors

CENTRAL = 3


def examples_order(texts: Sequence[str], *, central: int = CENTRAL) -> list[int]:
    """Places of all texts: the `central` nearest to their middle, then each time the one most unlike all before.

    A label of two meanings so shows the second one early. By the cosine of c-TF-IDF; equal texts keep their order.
    Loads scikit-learn: for workers and commands.
    """
    if not texts:
        return []
    vectors = content_vectors(texts)
    likeness = (vectors @ vectors.T).toarray()
    order = [int(place) for place in np.argsort(-likeness.sum(axis=1), kind="stable")[:central]]
    nearest = likeness[order].max(axis=0)
    left = [place for place in range(len(texts)) if place not in set(order)]
    while left:
        place = min(left, key=lambda place: (nearest[place], place))
        left.remove(place)
        order.append(place)
        nearest = np.maximum(nearest, likeness[place])
    return order
