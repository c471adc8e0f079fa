"""What a label consists of, so that spellings of one name compare equal: units, light words, stems."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from annotation.text import folded

# English puts what a noun is about behind it: "violation of privacy" is read as "privacy violation".
_TURN_AROUND = frozenset({"of", "to", "against", "on", "about", "in"})
_STOP = _TURN_AROUND | {"a", "an", "the", "for", "from", "by", "with", "at", "and", "or", "as"}
# Nouns that a tagger hangs on a theme without saying more.
_LIGHT_NOUNS = frozenset(
    {"act", "activity", "behavior", "behaviour", "concern", "conduct", "content", "issue", "language"}
)
_LIGHT_NOUNS |= {"matter", "problem", "question", "related", "risk", "topic", "type"}
# A list of names is not one of them in other words. "-" and "_" are no signs of a list: they stand for blanks as well.
_LIST = re.compile(r"[|、;；,，/&+]|\s[-–—>]+\s|(?<![^\W_])(?:and|or)(?![^\W_])|(?<=[\u4e00-\u9fff])[与及和或]")
_TITLE = re.compile(r"(.{2,}?)\s*[:：]\s*(.{20,})", re.DOTALL)  # "Insult: questions that …"
ADJECTIVE = re.compile(r"(?:al|ive|ous|ic|ful|ent|ant|y|ed)$")
_OTHERS = re.compile(r"他人|别人|其他人")
_GRAMMAR = re.compile(r"的|与|及|以及|之|(?<=..)和(?![平谐解睦])(?=..)|^对(?![抗立话象称])")
_SUFFIX = re.compile(r"(?<=..)(?:行为|问题|现象|方面|相关|类别|类型|(?<!人)类)$")
_LONG_SUFFIX = re.compile(r"(?<=....)(?:攻击|言论|话题|指令)$")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNIT = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W\d_\u3400-\u4dbf\u4e00-\u9fff]+|\d+")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Spelling:
    """A label taken apart. `han` is its Chinese text without words of grammar, `core` that without light suffixes.

    `words` are the other words that say something, in the order of an English noun phrase. `several`: it lists names.
    """

    units: tuple[str, ...]
    han: str
    core: str
    words: tuple[str, ...]
    several: bool

    @property
    def text(self) -> str:
        """What is left of the label, as one text; "" where it says nothing."""
        return " ".join(filter(None, (self.han, *self.words)))


def plain(label: str) -> str:
    """The label in simplified characters of the mainland, case folded, camelCase opened."""
    label = _CAMEL.sub(" ", _title(label))
    return folded(label if label.isascii() else str(_mainland().convert(label)))


def _title(label: str) -> str:
    """The name before a description of it. What follows is one if it is long: "违法：诈骗" is a path."""
    found = _TITLE.match(label)
    return found[1] if found and len(found[2]) > 3 * len(found[1]) else label


@lru_cache(maxsize=20_000)
def spelling(label: str) -> Spelling:
    """The parts of a label. All are empty for one that holds neither letters nor digits."""
    text = plain(label)
    units = tuple(_UNIT.findall(text))
    han = "".join(unit for unit in units if _HAN.match(unit))
    bare = _GRAMMAR.sub("", _OTHERS.sub("", han)) or han
    words = [unit for unit in units if not _HAN.match(unit)]
    return Spelling(units, bare, _core(bare), tuple(_theme(words)), bool(_LIST.search(text)))


def _core(han: str) -> str:
    """Without the suffixes that a tagger adds to a theme; at least two characters stay."""
    return _LONG_SUFFIX.sub("", _SUFFIX.sub("", han))


def _theme(words: list[str]) -> list[str]:
    """Without words of grammar, and without light nouns where a noun stays: "sexual content" keeps its noun."""
    said = [word for word in _turned(words) if word not in _STOP] or words
    kept = [word for word in said if singular(word) not in _LIGHT_NOUNS]
    return kept if len(kept) > 1 or (kept and not ADJECTIVE.search(kept[0])) else said


def _turned(words: list[str]) -> list[str]:
    turned: list[str] = []
    phrase: list[str] = []
    for word in words:
        if word in _TURN_AROUND:
            turned, phrase = [*phrase, *turned], []
        else:
            phrase.append(word)
    return [*phrase, *turned]


def singular(word: str) -> str:
    """An English word without its plural ending."""
    if len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") else word


def stem(word: str) -> str:
    """A word without plural, -ing, -ed and a last -e: what inflection changes, never what derivation does."""
    word = singular(word)
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word[: -len(ending)]
            if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "sl":
                word = word[:-1]
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


@cache
def _mainland() -> Any:  # opencc has no types
    from opencc import OpenCC

    return OpenCC("tw2sp")  # with the words of Taiwan: 資訊 is 信息
