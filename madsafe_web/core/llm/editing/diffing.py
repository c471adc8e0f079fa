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
# Of both texts together. The time may grow with the third power of it; longer ones are compared at their ends only.
MOST_PIECES = 2_000
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
    for tag, i1, i2, j1, j2 in _changes(before, after):
        if tag == "equal":
            pairs = zip(range(i1, i2), range(j1, j2), strict=True)
            found += [Line("same", i + 1, j + 1, (Piece(before[i]),)) for i, j in pairs]
        else:
            found += _rewritten(before[i1:i2], after[j1:j2], i1 + 1, j1 + 1)
    return found


def _changes(before: Sequence[str], after: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    """How the old lines become the new ones, in the words of difflib."""
    if len(before) + len(after) <= MOST_PIECES:
        return SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    head = _alike(before, after)
    tail = _alike(before[head:][::-1], after[head:][::-1])
    old, new = len(before) - tail, len(after) - tail
    return [
        ("equal", 0, head, 0, head),
        ("replace", head, old, head, new),
        ("equal", old, len(before), new, len(after)),
    ]


def _alike(before: Sequence[str], after: Sequence[str]) -> int:
    """How many lines both begin with."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((place for place, (old, new) in pairs if old != new), min(len(before), len(after)))


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
    if len(old) + len(new) > MOST_PIECES or matcher.ratio() < ALIKE:
        return (Piece(before, changed=True),), (Piece(after, changed=True),)
    removed, added = [], []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        changed = tag != "equal"
        removed += [Piece("".join(old[i1:i2]), changed)] if i2 > i1 else []
        added += [Piece("".join(new[j1:j2]), changed)] if j2 > j1 else []
    return tuple(removed), tuple(added)
