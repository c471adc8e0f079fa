"""Sentences that are stored in English, told in the language of the reader.

Why a row was rejected, what a run stopped at: the database, downloads, commands and the API hold these in English. The
setting WORDINGS names lists of them, each a text of the catalogue with places such as %(name)s. A page finds which of
them a stored text is, and fills the places of its translation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from django.conf import settings
from django.utils import translation
from django.utils.functional import lazy
from django.utils.module_loading import import_string

_PLACE = re.compile(r"%\((\w+)\)s")
_LONGEST = 2000  # characters: what is longer is no sentence of ours
# Places that hold such texts themselves. Without one that is known there the whole is another text.
_TEXTS = frozenset({"problem", "where", "advice", "kind", "found", "expected", "reason", "part"})
_MUST_BE_KNOWN = frozenset({"problem", "where"})
_MOST_LINES = 50
_DEEPEST = 6  # texts in the places of texts: one that is made up may be many texts in one another, in many ways
Known = tuple[list[str], str]  # words, name, words, name, … words; and the whole


def worded(text: str) -> str:
    """The stored text in the language of the reader; as it is where it is none of the known ones.

    Of a text of few lines that is none as a whole, each line may be one.
    """
    if not _is_foreign():
        return text
    lines = text.split("\n", _MOST_LINES)
    told = [_translated(line) for line in lines]
    whole = None if all(told) else _translated(text)
    return whole or "\n".join(one or line for one, line in zip(told, lines, strict=True))


worded_lazy = lazy(worded, str)


def is_known(text: str) -> bool:
    """Whether a stored text is one of those that can be told in other languages."""
    return _translated(text) is not None


def _is_foreign() -> bool:
    return not (translation.get_language() or "en").startswith("en")


def _translated(text: str, depth: int = 0) -> str | None:
    if len(text) > _LONGEST or depth == _DEEPEST:
        return None
    for parts, known in _known():
        if (found := _found(text, parts)) is not None and (values := _values(found, depth)) is not None:
            wording = translation.gettext(known)
            return wording % values if values else wording
    return None


def _found(text: str, parts: Sequence[str]) -> dict[str, str] | None:
    """What stands in the places, each as short as can be; None where the text has other words.

    It never goes back, so that no text takes longer than one look at it. A pattern of `re` would, again and again.
    """
    first, *others = parts
    if not others:
        return {} if text == first else None
    if not text.startswith(first):
        return None
    found, start = {}, len(first)
    for name, words in zip(others[:-2:2], others[1:-2:2], strict=True):
        end = text.find(words, start + 1)
        if end < 0:
            return None
        found[name], start = text[start:end], end + len(words)
    name, last = others[-2:]
    end = len(text) - len(last)
    return {**found, name: text[start:end]} if start < end and text.endswith(last) else None


def _values(found: dict[str, str], depth: int) -> dict[str, str] | None:
    """What fills the places of a translation; None where a text that must be known is not."""
    values = {}
    for name, value in found.items():
        wording = _translated(value, depth + 1) if name in _TEXTS else value
        if wording is None and name in _MUST_BE_KNOWN:
            return None
        values[name] = wording or value
    return values


@cache
def _known() -> tuple[Known, ...]:
    """Those with the most words of their own first, since the others may fit the same text by their places."""
    texts = {text for name in settings.WORDINGS for text in import_string(name)}
    ranked = sorted(texts, key=lambda text: (-len(_PLACE.sub("", text)), text))
    return tuple((_PLACE.split(text), text) for text in ranked)
