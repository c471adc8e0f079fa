"""Evidence A: labels with one key. Four keyers, after the key collision of OpenRefine, made for Chinese as well."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from annotation.clustering.proposers.base import Material, Pair, Proposer, buckets, paired
from annotation.clustering.spelling import Spelling, spelling, stem

FEWEST_HAN = 3  # of two characters too many are words of their own in either order: 犯罪, 罪犯


def fingerprint(label: str) -> str:
    """Letters and digits in their order, without case, script variant, separators or punctuation."""
    return "".join(spelling(label).units)


def characters(label: str) -> str:
    """The bag of characters: 侵犯隐私 and 隐私侵犯. "" with fewer than three Chinese characters."""
    found = spelling(label)
    return _bag((*found.han, *_stems(found))) if len(found.han) >= FEWEST_HAN else ""


def pinyin(label: str) -> str:
    """The bag of syllables with tones: 心里健康 and 心理健康. "" with fewer than three characters in the core."""
    found = spelling(label)
    return _bag((*_syllables(found.core), *_stems(found))) if len(found.core) >= FEWEST_HAN else ""


def core(label: str) -> str:
    """The theme without words of grammar, light suffixes and English endings, in any order."""
    found = spelling(label)
    han = tuple(found.core) if len(found.core) >= FEWEST_HAN else (found.core,) if found.core else ()
    return _bag((*han, *_stems(found)))


KEYERS = {"fingerprint": fingerprint, "characters": characters, "pinyin": pinyin, "core": core}


def exact_keys(label: str) -> dict[str, str]:
    """The keys of a label by the name of the keyer; a keyer that says nothing of this label is left out."""
    keys = {name: keyer(label) for name, keyer in KEYERS.items()}
    return {name: key for name, key in keys.items() if key}


def propose(material: Material) -> Iterator[Pair]:
    """Any two labels with a common key, once, with the first keyer that says so; weight 1."""
    seen: set[tuple[str, str]] = set()
    keys = {label: exact_keys(label) for label in material.labels}
    for name in KEYERS:
        keyed = ((label, found[name]) for label, found in keys.items() if name in found)
        for first, second in buckets(keyed):
            pair = paired(first, second, "A", name, 1.0)
            if (pair.first, pair.second) not in seen:
                seen.add((pair.first, pair.second))
                yield pair


def _stems(found: Spelling) -> list[str]:
    return [stem(word) for word in found.words]


def _bag(parts: tuple[str, ...]) -> str:
    return " ".join(sorted(parts))


@lru_cache(maxsize=20_000)
def _syllables(han: str) -> tuple[str, ...]:
    from pypinyin import Style, lazy_pinyin

    return tuple(lazy_pinyin(han, style=Style.TONE3))


PROPOSER = Proposer(name="exact", letter="A", title="Same key", kinds=tuple(KEYERS), propose=propose)
