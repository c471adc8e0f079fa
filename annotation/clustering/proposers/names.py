"""Evidence B: names that are alike, and whose difference is not one of meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from annotation.clustering.comparing import Comparison, compare
from annotation.clustering.light import meant, parts
from annotation.clustering.proposers.base import Material, Pair, Proposer, paired
from annotation.clustering.spelling import ADJECTIVE, Spelling, spelling

GENERIC = 3  # a name that so many others hold at one end is what they have in common, as 安全 in 食品安全
ALIKE = 0.85  # Jaro-Winkler, of 0..1

# How sure a difference is to be none of meaning; docs/decisions/0026 has what was measured.
SPELLING = {"same": 0.97, "light": 0.92, "slip": 0.9, "head": 0.8}
CONTAINMENT = {"start": 0.75, "within": 0.75, "end": 0.65}
KIND_OF = 0.3  # what the contained name stands for is one of several, or the wider: "identity theft" is a theft
JARO_WINKLER = 0.4


def propose(material: Material) -> Iterator[Pair]:
    """Pairs of kind spelling, containment and jaro_winkler; the last only supports others."""
    labels = list(material.labels)
    spelled = [spelling(label) for label in labels]
    compared = {(one, other): compare(spelled[one], spelled[other]) for one, other in _candidates(spelled)}
    generic = _generic(compared.values())
    for (one, other), found in compared.items():
        first, second = spelled[one], spelled[other]
        kind, weight = _evidence(found, generic, first, second) if found else _spelled_alike(first, second)
        if weight:
            yield paired(labels[one], labels[other], "B", kind, weight)


def _candidates(spelled: Sequence[Spelling]) -> Iterator[tuple[int, int]]:
    """Which names to compare: at most one part of either means something that the other does not say.

    Counted for all names at once, words by their first letters: of two million pairs a few thousand are left.
    """
    said = [meant(parts(one.han)) | {word[:3] for word in one.words} for one in spelled]
    vocabulary = {part: place for place, part in enumerate(sorted(set().union(*said)))}
    held = np.zeros((len(said), len(vocabulary)), dtype=np.float32)
    for row, parts_of in enumerate(said):
        held[row, [vocabulary[part] for part in parts_of]] = 1.0
    shared = held @ held.T
    beyond = held.sum(axis=1)[:, None] - shared
    near = (shared > 0) & ((np.minimum(beyond, beyond.T) == 0) | (np.maximum(beyond, beyond.T) <= 1))
    yield from zip(*(axis.tolist() for axis in np.nonzero(np.triu(near, 1))), strict=True)


def _generic(compared: Iterable[Comparison | None]) -> set[Comparison]:
    held = Counter(found for found in compared if found and found.base)
    return {found for found, count in held.items() if count >= GENERIC}


def _evidence(
    found: Comparison, generic: Collection[Comparison], first: Spelling, second: Spelling
) -> tuple[str, float]:
    if found.where in SPELLING:
        return "spelling", SPELLING[found.where]
    if found.where not in CONTAINMENT:
        return "", 0.0
    wider = first.several or second.several or found in generic or _wider(found)
    return "containment", KIND_OF if wider else CONTAINMENT[found.where]


def _wider(found: Comparison) -> bool:
    """Whether an English base is the wider name: a noun behind others, or an adjective alone."""
    word = found.base.isascii() and " " not in found.base
    return word and (found.where == "end" or bool(ADJECTIVE.search(found.base)))


def _spelled_alike(first: Spelling, second: Spelling) -> tuple[str, float]:
    from rapidfuzz.distance import JaroWinkler

    alike = JaroWinkler.similarity(first.text, second.text, score_cutoff=ALIKE) >= ALIKE
    return ("jaro_winkler", JARO_WINKLER) if alike else ("", 0.0)


PROPOSER = Proposer(
    name="names",
    letter="B",
    title="Similar name",
    kinds=("spelling", "containment", "jaro_winkler"),
    propose=propose,
)
