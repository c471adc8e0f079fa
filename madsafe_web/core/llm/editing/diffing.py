"""What changed between two texts, by lines, and by words within lines that were rewritten. Plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Kind = Literal["same", "removed", "added"]
# A word of letters and digits, one Chinese character, one other sign, or a stretch of blanks.
WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|\s+|.")
ALIKE = 0.3  # the least likeness of two lines whose words are compared; below, each line stands as a whole


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; `changed` when the other text does not have it there."""

    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its number in the old and the new text, 0 where it is not in it."""

    kind: Kind
    old: int
    new: int
    pieces: tuple[Piece, ...]


def lines(old: str, new: str) -> list[Line]:
    """All lines of both texts in order, removed ones before those that came for them."""
    before, after = old.split("\n"), new.split("\n")
    found: list[Line] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs = zip(range(i1, i2), range(j1, j2), strict=True)
            found += [Line("same", i + 1, j + 1, (Piece(before[i]),)) for i, j in pairs]
        else:
            found += _rewritten(before[i1:i2], after[j1:j2], i1 + 1, j1 + 1)
    return found


def _rewritten(before: Sequence[str], after: Sequence[str], old: int, new: int) -> Iterator[Line]:
    """Lines that took the place of others: the first against the first, and so on; what is left over as a whole."""
    removed: list[tuple[Piece, ...]] = [(Piece(text, changed=True),) for text in before]
    added: list[tuple[Piece, ...]] = [(Piece(text, changed=True),) for text in after]
    for place in range(min(len(before), len(after))):
        removed[place], added[place] = _words(before[place], after[place])
    yield from (Line("removed", old + place, 0, pieces) for place, pieces in enumerate(removed))
    yield from (Line("added", 0, new + place, pieces) for place, pieces in enumerate(added))


def _words(before: str, after: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    old, new = WORD.findall(before), WORD.findall(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < ALIKE:
        return (Piece(before, changed=True),), (Piece(after, changed=True),)
    removed, added = [], []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        changed = tag != "equal"
        removed += [Piece("".join(old[i1:i2]), changed)] if i2 > i1 else []
        added += [Piece("".join(new[j1:j2]), changed)] if j2 > j1 else []
    return tuple(removed), tuple(added)
