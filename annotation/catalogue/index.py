"""The catalogue itself: columns of numbers, one place a prompt, in the order of their ids. It is never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotation.catalogue.texts import Mask, Texts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
MOST_KEPT = 24  # masks of searches; 300 kB each with 300,000 prompts


class Version(NamedTuple):
    """Newest ids, the count of changes that no newest id can tell, and how many runs ended and are at work."""

    prompt: int
    link: int
    response: int
    score: int
    changes: int
    runs: int
    working: int

    def only_adds_to(self, old: Version) -> bool:
        """Whether rows were only added since, all with higher ids.

        Writers side by side may commit a lower id after a higher one was read, so all is read anew once a run ended, or
        is not at work any more.
        """
        return (old.changes, old.runs) == (self.changes, self.runs) and all(map(int.__le__, old, self))


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of few different values: the number of the value of each prompt."""

    codes: NDArray[np.int32]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """Rows are places in `ids`. `links` are pairs of row and label, each once, by row; `parents` of row and prompt id.

    `numbers` are the newest scores (NaN: none) and the length of the text in characters.
    """

    version: Version
    made: datetime
    ids: Ints
    coded: Mapping[str, Coded]
    numbers: Mapping[str, Floats]
    texts: Texts
    link_rows: Ints
    link_labels: Ints  # places in `labels`
    labels: Ints  # ids, ascending
    parent_rows: Ints
    parent_ids: Ints
    # What is worked out once per version; two threads that work out the same one at a time only lose time.
    orders: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    categories: dict[int | None, NDArray[np.uint32]] = field(default_factory=dict)
    searches: dict[tuple[str, bool], Mask] = field(default_factory=dict)

    def rows_of(self, ids: Ints) -> Ints:
        """The places of those of these prompts that are in the catalogue."""
        places = np.searchsorted(self.ids, ids)
        known = places < len(self.ids)
        places = places[known]
        found: Ints = places[self.ids[places] == ids[known]]
        return found

    def keep(self, key: tuple[str, bool], mask: Mask) -> Mask:
        """Keep the mask of a search for the facets of the same view; the oldest make room."""
        while len(self.searches) >= MOST_KEPT:
            self.searches.pop(next(iter(self.searches)), None)
        self.searches[key] = mask
        return mask

    def children_of(self, pk: int) -> list[int]:
        """Ids of the prompts that were generated from this one."""
        return [int(one) for one in self.ids[self.parent_rows[self.parent_ids == pk]]]
