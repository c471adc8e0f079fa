"""English words that are one word in another form."""

from __future__ import annotations

import re
from functools import lru_cache

_OPPOSITES = ("un", "il", "im", "in", "ir", "non", "dis", "anti", "counter", "de")
# What one word may have that the other has not, after five letters in common.
_ENDING = re.compile(
    r"(?:s|es|ies|e|y|ing|ed|ers?|or|en|ening|t|nt|ent|ant|ce|ance|ence|ions?|ation|al|ial|ical|ic|ful|ism|ists?|ive|ous"
    r"|ly|ment|age|ity)?"
)
# After fewer letters, only endings that leave no doubt: race, racial, racism; hate, hateful.
_SAFE_ENDING = {3: re.compile(r"e|ial|ism|ist"), 4: re.compile(r"(?:s|ing|ed|age|ers?|ful|y)?")}


def unmatched(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of either name that have no kindred word in the other."""
    if not first or not second:
        return first, second
    ours, theirs = list(first), list(second)
    for word in first:
        found = next((other for other in theirs if kindred(word, other)), None)
        if found is not None:
            ours.remove(word)
            theirs.remove(found)
    return tuple(ours), tuple(theirs)


@lru_cache(maxsize=100_000)
def kindred(first: str, second: str) -> bool:
    """Whether two words differ in their endings alone (leaking, leakage), or by a slip of the pen."""
    if first == second or not (first.isascii() and second.isascii()):
        return first == second
    for size in range(3, min(len(first), len(second)) + 1):
        if first[:size] != second[:size]:
            break
        known = _SAFE_ENDING.get(size, _ENDING)
        if known.fullmatch(first[size:]) and known.fullmatch(second[size:]):
            return True
    return _slip(first, second)


def _slip(first: str, second: str) -> bool:
    from rapidfuzz.distance import OSA

    short = min(len(first), len(second))
    if short < 6 or first[:4] != second[:4] or _opposite(first, second):
        return False
    bound = 1 if short < 9 else 2
    return bool(OSA.distance(first, second, score_cutoff=bound) <= bound)


def _opposite(first: str, second: str) -> bool:
    long, short = (first, second) if len(first) > len(second) else (second, first)
    return any(long == prefix + short for prefix in _OPPOSITES)
