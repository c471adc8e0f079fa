"""Theme lexicon of the offline rules: which of the 14 categories a text touches, and what labels are called."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal

Language = Literal["zh", "en"]
NO_CATEGORY = "NONE"
MAX_THEMES = 3

_DATA = json.loads((Path(__file__).parent / "rules_themes.json").read_text(encoding="utf-8"))
GENERIC: dict[Language, tuple[str, ...]] = {lang: tuple(names) for lang, names in _DATA["generic"].items()}
LABELS: dict[str, dict[Language, tuple[str, ...]]] = {
    code: {lang: tuple(names) for lang, names in entry["labels"].items()} for code, entry in _DATA["categories"].items()
}
NAMES: dict[str, dict[Language, str]] = {code: entry["name"] for code, entry in _DATA["categories"].items()}


@dataclass(frozen=True, slots=True)
class Keyword:
    """`stem` is looked for in the case-folded text, `shown` is the word as people write it."""

    stem: str
    shown: str
    category: str
    language: Language
    number: int
    weight: int


@dataclass(frozen=True, slots=True)
class Theme:
    """A category found in a text: the keyword that speaks most clearly for it, and how many keywords did."""

    category: str
    keyword: Keyword
    hits: int


def _keywords() -> Iterator[Keyword]:
    for code, entry in _DATA["categories"].items():
        for language, words in entry["keywords"].items():
            for number, word in enumerate(words):
                stem = word.partition("|")[0].casefold()
                # An English letter says about a third of what a Chinese character says.
                weight = len(stem) if language == "zh" else -(-len(stem) // 3)
                yield Keyword(stem, word.replace("|", ""), code, language, number, weight)


KEYWORDS = tuple(_keywords())
_BY_STEM = tuple((keyword.stem, keyword) for keyword in KEYWORDS)


def stable(*parts: str) -> int:
    """A 64-bit number that depends on nothing but the parts: the rules' only source of variety."""
    joined = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(joined, digest_size=8).digest(), "big")


def themes(text: str) -> list[Theme]:
    """The categories that `text` touches, the clearest first (keyword weights added up; earlier mention wins a tie)."""
    folded = text.casefold()
    found: dict[str, list[Keyword]] = {}
    for stem, keyword in _BY_STEM:
        if stem in folded:
            found.setdefault(keyword.category, []).append(keyword)
    if not found:
        return []

    def rank(category: str) -> tuple[int, int]:
        hits = found[category]
        return -sum(hit.weight for hit in hits), min(folded.find(hit.stem) for hit in hits)

    ordered = sorted(found, key=rank)
    return [Theme(code, max(found[code], key=lambda hit: hit.weight), len(found[code])) for code in ordered]


def label(prompt: str, language: Language) -> tuple[str, ...]:
    """One to three raw labels for a prompt. The first belongs to the clearest theme; the spelling varies by hash."""
    found = themes(prompt)[:MAX_THEMES]
    seed = stable("label", prompt)
    if not found:
        return (GENERIC[language][_steep(seed, len(GENERIC[language]))],)
    names = [_spelling(theme, language, seed >> (8 * place)) for place, theme in enumerate(found)]
    if len(names) == 1 and (seed >> 32) % 10 < 4:
        names.append(_spelling(found[0], language, seed >> 40))
    return tuple(dict.fromkeys(names))


def _steep(seed: int, count: int) -> int:
    """0 half of the time, 1 a quarter, and so on: raw labels of real models have a long tail too."""
    lowest_bit = (seed | 1 << 16) & -(seed | 1 << 16)
    return min(lowest_bit.bit_length() - 1, count - 1)


def _spelling(theme: Theme, language: Language, seed: int) -> str:
    names = LABELS[theme.category][language]
    if seed % 100 < 35:
        return names[0]
    return names[1 + (theme.keyword.number + (seed >> 7) % 3) % (len(names) - 1)]


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


_EXACT = {_folded(name): code for code, sets in LABELS.items() for names in sets.values() for name in names}
_EXACT.update({_folded(name): code for code, names in NAMES.items() for name in names.values()})
_PLAIN = {_folded(name) for names in GENERIC.values() for name in names}


@lru_cache(maxsize=8192)
def category_of(name: str) -> tuple[str, float]:
    """The category of a raw label and a confidence 0.5..0.97: exact spelling, then keywords inside, then likeness.

    ("NONE", ...) when nothing points to a category.
    """
    folded = _folded(name)
    if folded in _PLAIN:
        return NO_CATEGORY, 0.93
    if folded in _EXACT:
        return _EXACT[folded], 0.9 + stable("sure", folded) % 8 / 100
    found = themes(folded)
    if found:
        share = min(1.0, len(found[0].keyword.stem) / len(folded))
        return found[0].category, round(0.7 + 0.18 * share, 2)
    likeness, code = max((_dice(folded, known), code) for known, code in _EXACT.items())
    return (code, round(0.5 + 0.18 * likeness, 2)) if likeness >= 0.4 else (NO_CATEGORY, 0.55)


def _dice(one: str, other: str) -> float:
    first = {one[place : place + 2] for place in range(len(one) - 1)}
    second = {other[place : place + 2] for place in range(len(other) - 1)}
    return 2 * len(first & second) / (len(first) + len(second)) if first and second else 0.0


def category_code(text: str) -> str:
    """The code meant by a code or a category name, as stages may write either; "" when it is neither."""
    folded = _folded(text)
    for code, names in NAMES.items():
        if folded.startswith(code.casefold() + " ") or folded == code.casefold() or folded in names.values():
            return code
    return ""
