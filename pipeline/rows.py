"""What the augmenting stages work on, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeywordRow:
    """One new prompt wanted: about `keyword`, for the category `code`, after the manner of the examples."""

    code: str
    keyword: str
    language: str
    variant: int
    examples: tuple[str, ...]
    parents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RelatedRow:
    """One new prompt wanted: related to the prompt `id`."""

    id: int
    text: str
    language: str
    category: str
    variant: int


@dataclass(frozen=True, slots=True)
class MapContext:
    """The published map as a row function needs it: the keys it knows, label key → category code, category names."""

    known: frozenset[str]
    codes: Mapping[str, str]
    names: Mapping[str, Mapping[str, str]]  # code → {"zh": …, "en": …}
