"""What a proposer is and gives: pairs of labels that may mean the same, with the kind of evidence and its weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

Letter = Literal["A", "B", "C"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Evidence that two labels mean the same; `first` stands before `second`. `weight` in 0..1, higher is surer."""

    first: str
    second: str
    letter: Letter
    kind: str
    weight: float


@dataclass(frozen=True, slots=True)
class Material:
    """What proposers look at. `samples` holds prompt texts of a label, `used` the ids of all its prompts.

    Labels differ from each other; a label without prompts may be missing in both mappings.
    """

    labels: Sequence[str]
    samples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    used: Mapping[str, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proposer:
    """One way to find pairs. `kinds` are the names of its evidence; `needs_prompts`: it looks at prompts, not names."""

    name: str
    letter: Letter
    title: str
    kinds: tuple[str, ...]
    propose: Callable[[Material], Iterator[Pair]]
    needs_prompts: bool = False


def paired(first: str, second: str, letter: Letter, kind: str, weight: float) -> Pair:
    """The pair with its labels in order, so that the same two labels always give the same pair."""
    first, second = sorted((first, second))
    return Pair(first, second, letter, kind, weight)


def buckets(keyed: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Any two labels with one key, from (label, key)."""
    found: dict[str, list[str]] = {}
    for label, key in keyed:
        found.setdefault(key, []).append(label)
    for labels in found.values():
        yield from combinations(labels, 2)
