"""In which order to read labels, so that neighbours stand beside each other, and which prompts of a label to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BUCKETS = 2**18  # of hashed pairs of characters


def reading_order(labels: Sequence[str], weights: Mapping[tuple[str, str], float]) -> list[str]:
    """The labels as the leaves of their tree (average linkage); `weights`: couple → how sure they mean the same."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    ordered = sorted(labels)
    if len(ordered) < 3:
        return ordered
    place = {label: at for at, label in enumerate(ordered)}
    apart = np.ones((len(ordered), len(ordered)))
    for (first, second), weight in weights.items():
        apart[place[first], place[second]] = apart[place[second], place[first]] = 1.0 - weight
    np.fill_diagonal(apart, 0.0)
    return [ordered[at] for at in leaves_list(linkage(squareform(apart), "average")).tolist()]


def central_and_unlike(texts: Sequence[Sequence[str]], each: int) -> list[list[int]]:
    """For each list of texts the places of `each` most central ones, then of `each` that are most unlike the rest.

    Central is what is near the mean of the list (cosine of pairs of characters, rare ones count more).
    """
    flat = [text for some in texts for text in some]
    if not flat:
        return [[] for _ in texts]
    vectors = _vectors(flat)
    found, at = [], 0
    for some in texts:
        rows = vectors[at : at + len(some)]
        at += len(some)
        mean = np.asarray(rows.mean(axis=0)).ravel() if some else np.zeros(1)
        near = np.asarray(rows @ mean).ravel() if some else np.zeros(0)
        ranked = np.argsort(-near, kind="stable").tolist()
        central = ranked[:each]
        found.append([*central, *ranked[: len(central) - 1 : -1][:each]] if len(ranked) > each else central)
    return found


def _vectors(texts: Sequence[str]) -> Any:  # a sparse matrix: scipy has no types
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    hashed = HashingVectorizer(
        analyzer="char", ngram_range=(2, 2), n_features=BUCKETS, alternate_sign=False, norm=None, dtype=np.float32
    ).transform(texts)
    return TfidfTransformer(sublinear_tf=True).fit_transform(hashed)
