"""The order in which to read labels, so that those that belong together stand beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def reading_order(labels: Sequence[str], weights: Mapping[tuple[str, str], float]) -> list[str]:
    """All labels in the order of the leaves of average linkage; distance is 1 − weight of the couple (`blended`).

    The order of the input does not matter. Loads SciPy: for workers and commands.
    """
    from scipy.cluster.hierarchy import average, leaves_list
    from scipy.spatial.distance import squareform

    names = sorted(set(labels))
    if len(names) < 3:
        return names
    place = {name: at for at, name in enumerate(names)}
    distance = np.ones((len(names), len(names)))
    np.fill_diagonal(distance, 0.0)
    for (first, second), weight in weights.items():
        if first in place and second in place:
            distance[place[first], place[second]] = distance[place[second], place[first]] = 1.0 - weight
    return [names[at] for at in leaves_list(average(squareform(distance, checks=False)))]
