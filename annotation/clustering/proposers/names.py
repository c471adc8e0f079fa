"""Evidence B: names that are alike, and whose difference is not one of meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from annotation.clustering.comparing import Comparison, compare
from annotation.clustering.light import FEWEST, WORDS, meant
from annotation.clustering.proposers.base import Material, Pair, Proposer, paired
from annotation.clustering.spelling import ADJECTIVE, Spelling, spelling

Array = np.ndarray[Any, Any]

GENERIC = 3  # a name that so many others hold at one end is what they have in common, as 安全 in 食品安全
ALIKE = 0.85  # Jaro-Winkler, of 0..1

# How sure a difference is to be none of meaning; docs/decisions/0026 has what was measured.
SPELLING = {"same": 0.97, "light": 0.92, "slip": 0.9, "head": 0.8}
CONTAINMENT = {"start": 0.75, "within": 0.75, "end": 0.65}
KIND_OF = 0.3  # what the contained name stands for is one of several, or the wider: "identity theft" is a theft
JARO_WINKLER = 0.4
APART = 2**10  # more parts than a name has: parts and words are counted in one number, side by side


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
    """Which names to compare: one says all that the other says, or one part of Chinese text differs.

    Counted for all names at once, words by their first letters: of two million pairs a few thousand are left.
    """
    parts = [meant(one.parts) for one in spelled]
    words = [{word[:3] for word in one.words} for one in spelled]
    one, other, shared, shared_words = _shared(parts, words)
    framing = np.array([len(said) > 0 and said <= WORDS.keys() for said in parts], dtype=bool)
    has, has_words = np.array(list(map(len, parts))), np.array(list(map(len, words)))
    less = np.minimum((has + has_words)[one], (has + has_words)[other])
    holds = less == shared + shared_words
    one_part = np.maximum(has[one], has[other]) - shared <= 1
    one_part &= has_words[one] + has_words[other] == 2 * shared_words
    near = (shared + FEWEST * shared_words >= FEWEST) & (holds | one_part)
    near |= framing[one] & framing[other] & (shared > 0)
    yield from zip(one[near].tolist(), other[near].tolist(), strict=True)


def _shared(parts: Sequence[Collection[str]], words: Sequence[Collection[str]]) -> tuple[Array, ...]:
    """The places of any two names that share something, the first before the second; how many parts and words."""
    from scipy.sparse import csr_matrix

    keys = [[*said, *(f" {word}" for word in more)] for said, more in zip(parts, words, strict=True)]
    place = {key: at for at, key in enumerate(dict.fromkeys(chain.from_iterable(keys)))}
    flat = list(chain.from_iterable(keys))
    values = np.array([APART if key[0] == " " else 1.0 for key in flat])
    starts = np.cumsum([0, *map(len, keys)])
    held = csr_matrix((values, [place[key] for key in flat], starts), shape=(len(keys), max(len(place), 1)))
    both = held @ held.T
    both.sort_indices()
    one, other = np.repeat(np.arange(len(keys)), np.diff(both.indptr)), both.indices
    after = other > one
    shared_words, shared = np.divmod(both.data[after].astype(np.int64), APART**2)
    return one[after], other[after], shared, shared_words


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
