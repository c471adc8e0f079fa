"""Exact substring search over all folded texts, as one array of UTF-16 units: any length, any script, no index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

END = 0xFFFF  # behind every text; no character has this code
Mask = NDArray[np.bool_]


def units_of(text: str) -> NDArray[np.uint16]:
    return np.frombuffer(text.encode("utf-16-le", "surrogatepass"), dtype=np.uint16)


def joined(texts: Sequence[str]) -> NDArray[np.uint16]:
    """The units of these texts, each with its end."""
    return units_of("".join(f"{_plain(text)}\uffff" for text in texts))


def _plain(text: str) -> str:
    return text.replace("\uffff", "\ufffd") if "\uffff" in text else text


@dataclass(frozen=True)
class Texts:
    """`units`: all texts, each followed by END."""

    units: NDArray[np.uint16]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each text begins."""
        ends = np.flatnonzero(self.units == END)
        return np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1)) if len(ends) else ends

    @cached_property
    def frequencies(self) -> NDArray[np.int64]:
        """How often each unit occurs."""
        return np.bincount(self.units, minlength=END + 1)

    def added(self, texts: Iterable[NDArray[np.uint16]]) -> Texts:
        """These texts and more behind them."""
        return Texts(np.concatenate((self.units, *texts)))

    def holding(self, text: str) -> Mask:
        """Which texts hold this one. The rarest unit of it is looked for first, the others only beside its places."""
        wanted = units_of(_plain(text))
        found = np.zeros(len(self.starts), np.bool_)
        if not len(wanted) or len(wanted) >= len(self.units):
            return found if len(wanted) else ~found
        rarest = int(np.argmin(self.frequencies[wanted]))
        last = len(self.units) - len(wanted) + 1
        places = np.flatnonzero(self.units[rarest : last + rarest] == wanted[rarest])
        for at in sorted(range(len(wanted)), key=lambda at: self.frequencies[wanted[at]]):
            if at != rarest and len(places):
                places = places[self.units[places + at] == wanted[at]]
        found[np.searchsorted(self.starts, places, "right") - 1] = True
        return found
