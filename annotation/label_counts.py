"""What follows from which labels prompts carry: counts from arrays, without the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class LabelUse:
    """The links in the order of their prompts. `prompts` is the number of prompts that carry any label."""

    prompts: int
    ids: Array  # label ids, ascending
    label: Array  # for each link, the place of its label in `ids`
    starts: Array  # for each prompt, the place of its first link

    @cached_property
    def counts(self) -> Mapping[int, int]:
        """Label id → number of prompts that carry it."""
        found = np.bincount(self.label, minlength=len(self.ids))
        return dict(zip(self.ids.tolist(), found.tolist(), strict=True))

    def prompts_within(self, labels: Collection[int]) -> int:
        """Number of prompts all of whose labels are among these."""
        return int(self._per_prompt(np.logical_and, self._among(labels)).sum())

    def prompts_with(self, labels: Collection[int]) -> int:
        """Number of prompts that carry any of these labels."""
        return int(self._per_prompt(np.logical_or, self._among(labels)).sum())

    def prompts_by(self, group_of: Mapping[int, str]) -> Counter[str]:
        """Group → number of prompts with any label of it; a prompt counts once in each of its groups."""
        names = sorted(set(group_of.values()))
        place_of = {name: place for place, name in enumerate(names)}
        group = np.array([place_of.get(group_of.get(pk, ""), -1) for pk in self.ids.tolist()], dtype=np.int64)[
            self.label
        ]
        keys = np.sort((self._prompt * len(names) + group)[group >= 0])
        once = keys[np.diff(keys, prepend=-1) != 0] % max(len(names), 1)
        numbers = np.bincount(once, minlength=len(names)).tolist()
        return Counter({name: number for name, number in zip(names, numbers, strict=True) if number})

    def alone(self, label: int) -> int:
        """Number of prompts that carry only this label."""
        return self.prompts_within((label,))

    def together(self, label: int, most: int) -> list[int]:
        """The labels that prompts carry beside this one, the most frequent first."""
        with_it = self._per_prompt(np.logical_or, self._among((label,)))
        beside = self.label[with_it[self._prompt]] if self.prompts else self.label
        found = Counter(dict(enumerate(np.bincount(beside, minlength=len(self.ids)).tolist())))
        ranked = sorted((-n, int(self.ids[place])) for place, n in found.items() if n)
        return [other for _, other in ranked if other != label][:most]

    @cached_property
    def _prompt(self) -> Array:
        """For each link, the place of its prompt."""
        return np.repeat(np.arange(self.prompts), np.diff(self.starts, append=len(self.label)))

    def _among(self, labels: Collection[int]) -> Array:
        return np.isin(self.ids, np.fromiter(labels, dtype=np.int64))

    def _per_prompt(self, joined: np.ufunc, value: Array) -> Array:
        """What the values of the labels of each prompt come to together."""
        return joined.reduceat(value[self.label], self.starts) if self.prompts else value[:0]


def combine(links: Iterable[tuple[int, int]]) -> LabelUse:
    """The use of labels in links (prompt id, label id), which may come in any order and more than once."""
    read = np.fromiter(chain.from_iterable(links), dtype=np.int64).reshape(-1, 2)
    ids, label = np.unique(read[:, 1], return_inverse=True)
    prompts, prompt = np.unique(read[:, 0], return_inverse=True)
    links_once = np.unique(prompt * max(len(ids), 1) + label)
    prompt, label = np.divmod(links_once, max(len(ids), 1))
    starts = np.searchsorted(prompt, np.arange(len(prompts)))
    return LabelUse(len(prompts), ids, label, starts)
