"""Sentences that are stored in English, told in the language of the reader.

Why a row was rejected, what a run stopped at: the database, downloads, commands and the API hold these in English. The
setting WORDINGS names lists of them, each a text of the catalogue with places such as %(name)s. A page finds which of
them a stored text is, and fills the places of its translation.
"""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings
from django.utils import translation
from django.utils.functional import lazy
from django.utils.module_loading import import_string

_PLACE = re.compile(r"%\((\w+)\)s")
_LONGEST = 2000  # characters: what is longer is no sentence of ours
# Places that hold such texts themselves. Without one that is known there the whole is another text.
_TEXTS = frozenset({"problem", "where", "advice", "kind", "found", "expected", "reason"})
_MUST_BE_KNOWN = frozenset({"problem", "where"})
Known = tuple[re.Pattern[str], str]


def worded(text: str) -> str:
    """The stored text in the language of the reader; as it is where it is none of the known ones."""
    return (_translated(text) or text) if _is_foreign() else text


worded_lazy = lazy(worded, str)


def is_known(text: str) -> bool:
    """Whether a stored text is one of those that can be told in other languages."""
    return _translated(text) is not None


def _is_foreign() -> bool:
    return not (translation.get_language() or "en").startswith("en")


def _translated(text: str) -> str | None:
    if len(text) > _LONGEST:
        return None
    for pattern, known in _known():
        if (match := pattern.fullmatch(text)) and (values := _values(match.groupdict())) is not None:
            wording = translation.gettext(known)
            return wording % values if values else wording
    return None


def _values(found: dict[str, str]) -> dict[str, str] | None:
    """What fills the places of a translation; None where a text that must be known is not."""
    values = {}
    for name, value in found.items():
        wording = _translated(value) if name in _TEXTS else value
        if wording is None and name in _MUST_BE_KNOWN:
            return None
        values[name] = wording or value
    return values


@cache
def _known() -> tuple[Known, ...]:
    """Those with the most words of their own first, since the others may fit the same text by their places."""
    texts = {text for name in settings.WORDINGS for text in import_string(name)}
    ranked = sorted(texts, key=lambda text: (-len(_PLACE.sub("", text)), text))
    return tuple((_pattern(text), text) for text in ranked)


def _pattern(text: str) -> re.Pattern[str]:
    parts = _PLACE.split(text)  # words, name, words, name, … words
    made = [f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(parts)]
    return re.compile("".join(made), re.DOTALL)
