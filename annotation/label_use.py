"""Which labels occur together on how many prompts: what the merge page counts from.

The links of prompts to labels are never changed, only added, so the combinations are kept in the process until their
number grows. From them every count follows without the database: 0.02 s where SQL takes 0.4 s (260,000 prompts).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from django.db.models import Count, Max

from annotation.models import PromptIntent

SCANNED = 20_000  # links read at once


@dataclass(frozen=True, slots=True)
class LabelUse:
    """`combinations`: set of label ids → number of prompts that carry exactly these labels."""

    combinations: Mapping[frozenset[int], int]
    counts: Mapping[int, int]  # label id → number of prompts that carry it

    @property
    def prompts(self) -> int:
        """Number of prompts that carry any label."""
        return sum(self.combinations.values())

    def prompts_within(self, labels: Collection[int]) -> int:
        """Number of prompts all of whose labels are among these."""
        within = frozenset(labels)
        return sum(n for combination, n in self.combinations.items() if combination <= within)

    def prompts_by(self, group_of: Mapping[int, str]) -> Counter[str]:
        """Group → number of prompts with any label of it; a prompt counts once in each of its groups."""
        found: Counter[str] = Counter()
        for combination, n in self.combinations.items():
            for group in {group_of[label] for label in combination if label in group_of}:
                found[group] += n
        return found

    def alone(self, label: int) -> int:
        """Number of prompts that carry only this label."""
        return self.combinations.get(frozenset((label,)), 0)

    def together(self, label: int, most: int) -> list[int]:
        """The labels that prompts carry beside this one, the most frequent first."""
        found: Counter[int] = Counter()
        for combination, n in self.combinations.items():
            if label in combination:
                found.update(dict.fromkeys(combination - {label}, n))
        ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        return [other for other, _ in ranked[:most]]


def combine(links: Iterable[tuple[int, int]]) -> LabelUse:
    """The combinations in links (prompt id, label id), which must come ordered by prompt."""
    combinations: Counter[frozenset[int]] = Counter()
    for _, group in groupby(links, key=itemgetter(0)):
        combinations[frozenset(label for _, label in group)] += 1
    counts: Counter[int] = Counter()
    for combination, n in combinations.items():
        for label in combination:
            counts[label] += n
    return LabelUse(combinations, counts)


def label_use() -> LabelUse:
    """How labels are used now: one query, and once more whenever links were added."""
    return _at(links_state())


def links_state() -> tuple[int | None, int]:
    """Newest id and number of the links: as long as both stay, nothing was added or taken away."""
    state = PromptIntent.objects.aggregate(newest=Max("id"), number=Count("id"))
    return state["newest"], state["number"]


@lru_cache(maxsize=1)
def _at(state: tuple[int | None, int]) -> LabelUse:
    links = PromptIntent.objects.order_by("prompt").values_list("prompt", "label")
    return combine(links.iterator(SCANNED))


def forget() -> None:
    """Drop what is kept, for tests: their rows come again under the same ids."""
    _at.cache_clear()
