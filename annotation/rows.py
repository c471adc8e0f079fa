"""Prompts, labels and responses as plain values, as the pure row functions see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResponseRow:
    id: int
    text: str
    origin: str  # imported, regenerated


@dataclass(frozen=True, slots=True)
class PromptRow:
    """`text` is cleaned for sending (annotation.text.clean); `category` is the code by the published map or ""."""

    id: int
    text: str
    language: str
    category: str = ""
    responses: tuple[ResponseRow, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A raw label with the texts of a few prompts that carry it."""

    id: int
    name: str
    language: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaxonomyText:
    """The codes of a taxonomy in their order, and by language a line a category: code, name and definition."""

    codes: tuple[str, ...]
    text: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A generated prompt on its way in: its labels, the key of its generation, the prompts it came from."""

    text: str
    labels: tuple[str, ...]
    generation: str
    parents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NewResponse:
    """A regenerated response on its way in, with the key of its generation."""

    text: str
    generation: str
