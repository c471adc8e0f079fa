"""Whether the names of two labels mean the same: what they share, where they differ, and how much the rest says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from os.path import commonprefix
from typing import Literal

from annotation.clustering.light import framing, parts, says_little, says_something, turns
from annotation.clustering.spelling import Spelling
from annotation.clustering.words import kindred, unmatched

Where = Literal["same", "light", "start", "end", "within", "slip", "head", "other", "opposite"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two names beside each other. `where` says how they differ; `base` is the one that the other holds, or "".

    same: only in order and endings. light: in words that frame a theme. start, end, within: one holds the other there.
    slip: in one character of the same sound. head: in one character of what is done. other: in what they
    mean. opposite: one turns the other round.
    """

    where: Where
    base: str = ""


def compare(first: Spelling, second: Spelling) -> Comparison | None:
    """How two names differ; None where they share too little to be compared."""
    ours, theirs = parts(first.han), parts(second.han)
    words, other_words = unmatched(first.words, second.words)
    shared = Counter(ours) & Counter(theirs)
    if len(words) == len(first.words) and not says_something(list(shared.elements()), ours, theirs):
        return None
    left, right = _beyond(ours, shared), _beyond(theirs, shared)
    if turns(left, words) != turns(right, other_words):
        return Comparison("opposite")
    if any(map(str.isdigit, (*words, *other_words))):
        return Comparison("other")
    if not words and not other_words and (same := _same_theme(ours, theirs, left, right)):
        return Comparison(same)
    if not other_words and says_little(right):
        return _contained((*ours, *first.words), (*_without(theirs, right), *second.words))
    if not words and says_little(left):
        return _contained((*theirs, *second.words), (*_without(ours, left), *first.words))
    return Comparison("other")


def one_theme(first: Spelling, second: Spelling) -> tuple[str, str, str] | None:
    """The theme with which two Chinese names begin, and how they go on: 年龄, 歧视, 偏见. None where they do not."""
    ours, theirs = parts(first.han), parts(second.han)
    begun = commonprefix([ours, theirs])
    rests = ours[len(begun) :], theirs[len(begun) :]
    alone = not first.words and not second.words
    own = alone and says_something(begun) and all(0 < len(rest) <= 2 and framing(rest) is None for rest in rests)
    return ("".join(begun), "".join(rests[0]), "".join(rests[1])) if own else None


def _same_theme(
    ours: Sequence[str], theirs: Sequence[str], left: Sequence[str], right: Sequence[str]
) -> Literal["same", "light", "slip", "head", ""]:
    if not left and not right:
        return "same"
    if _framed(left, right):
        return "light"
    if len(left) == len(right) == 1 and len(ours) == len(theirs):
        if len(ours) > 2 and _sound(left[0]) == _sound(right[0]):
            return "slip"
        return "head" if _one_head(ours, theirs) else ""
    return ""


def _one_head(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether one theme stands before two words that share a character in its place: 校园霸凌, 校园欺凌.

    In one of the names the word may stand first (武器制作, 制造武器), not in both: 名誉权侵犯 is not 荣誉权侵犯.
    """
    for theme, word, other_theme, other in (
        (ours[:-2], ours[-2:], theirs[:-2], theirs[-2:]),
        (ours[:-2], ours[-2:], theirs[2:], theirs[:2]),
        (ours[2:], ours[:2], theirs[:-2], theirs[-2:]),
    ):
        if theme == other_theme and says_something(theme) and any(map(str.__eq__, word, other)):
            return True
    return False


def _beyond(han: Sequence[str], shared: Counter[str]) -> list[str]:
    left = dict(shared)
    kept = []
    for part in han:
        if left.get(part, 0):
            left[part] -= 1
        else:
            kept.append(part)
    return kept


def _framed(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether what is left on both sides only frames the theme, and does not frame it in two ways."""
    ours, theirs = framing(left), framing(right)
    if ours is None or theirs is None:
        return False
    return all(one.goes_with(other) for one in ours for other in theirs)


def _without(han: Sequence[str], rest: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for part in han if part not in rest)


def _contained(whole: Sequence[str], part: Sequence[str]) -> Comparison:
    if 2 * len(part) < len(whole):
        return Comparison("other")
    return Comparison(_place(whole, part), base=" ".join(part))


def _place(whole: Sequence[str], part: Sequence[str]) -> Where:
    if all(map(kindred, whole, part)):
        return "start"
    return "end" if all(map(kindred, whole[-len(part) :], part)) else "within"


@lru_cache(maxsize=10_000)
def _sound(han: str) -> tuple[str, ...]:
    from pypinyin import lazy_pinyin

    return tuple(lazy_pinyin(han))
