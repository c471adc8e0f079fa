"""Prompts with their labels as columns of numbers, and counting them by what a map makes of the labels.

A label is counted through one number for each label id: what it belongs to, or NOTHING. So another map, or no map, is
another column of numbers over the same links.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
NOTHING = -1


class Kind(NamedTuple):
    """What the prompts have in common that are counted alike."""

    corpus: int
    attack: str
    state: str
    scenario: str


@dataclass(frozen=True, slots=True)
class Links:
    """`kind` has one place a prompt: the number of its kind in `kinds`. The last columns have one place a link, and
    `prompt` says the place of its prompt.
    """

    kinds: tuple[Kind, ...]
    kind: Ints
    prompt: Ints
    label: Ints
    run: Ints

    def of_kind(self, values: Iterable[int]) -> Ints:
        """A value for each prompt, from one for each kind."""
        return np.fromiter(values, dtype=np.int64, count=len(self.kinds))[self.kind]

    def without(self, runs: Collection[int]) -> Links:
        """The links but those that these runs made."""
        if not runs:
            return self
        kept = np.isin(self.run, list(runs), invert=True)
        return Links(self.kinds, self.kind, self.prompt[kept], self.label[kept], self.run[kept])

    def by(self, group_of: Mapping[int, int]) -> tuple[Ints, Ints]:
        """Places of prompts and the numbers of the groups of their labels: a prompt once with each of its groups."""
        table = np.full(int(self.label.max(initial=0)) + 1, NOTHING, dtype=np.int64)
        for label, number in group_of.items():
            if label < len(table):
                table[label] = number
        group = table[self.label]
        held = group != NOTHING
        width = int(group.max(initial=0)) + 1
        both, _ = grouped(self.prompt[held] * width + group[held])
        return both // width, both % width

    def labelled(self) -> NDArray[np.bool_]:
        """Whether each prompt has a label."""
        found = np.zeros(len(self.kind), dtype=np.bool_)
        found[self.prompt] = True
        return found


def links_of(prompts: Iterable[tuple[int, int, str, str, str]], links: Collection[tuple[int, int, int]]) -> Links:
    """Columns of prompts (id, then their kind), which must come by id, and of links (prompt, label, run)."""
    numbers: dict[tuple[int, str, str, str], int] = {}
    ids, kinds = [], []
    for pk, corpus, attack, state, scenario in prompts:
        ids.append(pk)
        kinds.append(numbers.setdefault((corpus, attack, state, scenario), len(numbers)))
    columns = np.fromiter(chain.from_iterable(links), dtype=np.int64, count=3 * len(links)).reshape(-1, 3)
    places = np.searchsorted(np.array(ids, dtype=np.int64), columns[:, 0])
    named = tuple(Kind(*kind) for kind in numbers)
    return Links(named, np.array(kinds, dtype=np.int64), places, columns[:, 1], columns[:, 2])


def counted(rows: Ints, columns: Ints) -> dict[int, dict[int, int]]:
    """Row → column → how often both stand together. Neither may be negative."""
    width = int(columns.max(initial=0)) + 1
    keys, numbers = grouped(rows * width + columns)
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for key, number in zip(keys.tolist(), numbers.tolist(), strict=True):
        found[key // width][key % width] = number
    return found


def grouped(values: Ints) -> tuple[Ints, Ints]:
    """The different values in ascending order, and how often each stands there.

    numpy's own `unique` hashes them, which takes six times as long for a million pairs.
    """
    ordered = np.sort(values)
    first = np.flatnonzero(np.diff(ordered, prepend=NOTHING) != 0)  # no value is below 0
    return ordered[first], np.diff(first, append=len(ordered))
