"""Evidence B: names among each other's nearest by the characters that are rare among all names (TF-IDF, cosine)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from annotation.clustering import terms
from annotation.clustering.comparing import Comparison, compare, one_theme
from annotation.clustering.light import meant
from annotation.clustering.near import mutual
from annotation.clustering.proposers.base import Material, Pair, Proposer, paired
from annotation.clustering.spelling import Spelling, spelling, stem

NEAREST, LEAST_LIKE = 3, 0.3
FEW_SPELLINGS = 3  # pairs of them: two names with several spellings each are two names on purpose
MOST_BEGUN = 3  # cores: what more begin with, as 网络, does not tell what they are about
THEME, NEIGHBOURS = 0.72, 0.35


def propose(material: Material) -> Iterator[Pair]:
    """Pairs of kind neighbours, which only support others, and theme: each the nearest, with one theme in front."""
    spellings = _spellings(material.labels)
    names = [spelling(labels[0]) for labels in spellings]
    likeness = _likeness([name.text for name in names])
    nearest = {(one, other) for one, other, _ in mutual(likeness, most=1, least=LEAST_LIKE)}
    ends = _Ends(names)
    for one, other, _ in mutual(likeness, most=NEAREST, least=LEAST_LIKE):
        found = compare(names[one], names[other])
        if found and found.where == "opposite":
            continue
        couples = list(product(spellings[one], spellings[other]))
        near = (one, other) in nearest and len(couples) <= FEW_SPELLINGS
        theme = near and _differ(found) and ends.tell_alike(names[one], names[other])
        for first, second in couples:
            yield paired(first, second, "B", "neighbours", NEIGHBOURS)
            if theme:
                yield paired(first, second, "B", "theme", THEME)


def _spellings(labels: Sequence[str]) -> list[list[str]]:
    """Labels by what they mean, the shortest first: spellings of one name would take each other's places."""
    found: dict[frozenset[str], list[str]] = {}
    for label in sorted(labels, key=lambda label: (len(label), label)):
        name = spelling(label)
        if name.text:
            key = meant(name.parts) | {stem(word) for word in name.words}
            found.setdefault(key, []).append(label)
    return list(found.values())


def _likeness(texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """Cosine of TF-IDF, by characters and pairs of them."""
    counts = terms.counted([[text] for text in texts], sizes=(1, 2))
    held = np.bincount(counts.indices, minlength=counts.shape[1])
    counts.data = 1.0 + np.log(counts.data)
    return terms.likeness(terms.weighed(counts, 1.0 + np.log((1 + len(texts)) / (1 + held))))


def _differ(found: Comparison | None) -> bool:
    return found is not None and found.where == "other"


class _Ends:
    """How all names begin and end, to tell what stands in front (性别) from what is said of it (歧视)."""

    def __init__(self, names: Sequence[Spelling]) -> None:
        self.names = names
        self.last = {name.han[-size:] for name in names for size in range(1, len(name.han) + 1)}

    def tell_alike(self, first: Spelling, second: Spelling) -> bool:
        """Whether both begin with a theme that few begin with and none ends with, and end as other themes do.

        So 年龄歧视 and 年龄偏见 beside 性别歧视 and 性别偏见, but not 虐待儿童 and 虐待动物 beside 动物虐待.
        """
        found = one_theme(first, second)
        if not found or found[0] in self.last:
            return False
        theme, *ends = found
        begun = {name.core for name in self.names if name.core.startswith(theme)}
        others = [name.han for name in self.names if name.core not in begun]
        return len(begun) <= MOST_BEGUN and all(any(han.endswith(end) for han in others) for end in ends)


PROPOSER = Proposer(
    name="neighbours",
    letter="B",
    title="Nearest names",
    kinds=("theme", "neighbours"),
    propose=propose,
)
