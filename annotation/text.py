"""Text as identity, as search key and as people see it. The stored text itself is never changed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from typing import Any, Literal

Language = Literal["zh", "en", "mixed", "other"]

CLEAN_VERSION = "clean/1"  # named by every export: change it with the rules of `clean`

# Inside these ranges NFKC works character by character, so a lazy table gives the same result several times faster.
_NOT_SIMPLE = re.compile(r"[^\x00-\u02ff\u2000-\u206f\u3000-\u3029\u3030-\u303f\u4e00-\u9fff\uff01-\uff5e]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+")
_OTHER_SCRIPT = re.compile(r"[\u0370-\u1fff\u2c00-\u2dff\u3040-\u30ff\ua000-\ud7ff]+")
_INVISIBLE = re.compile(r"[\ufeff\u200b\u2060]")
# Joiners shape emoji and some scripts inside a text, but mean nothing at its edge.
_BLANK = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200c\u200d"
_LEAD = re.compile(r"n[^\S\n]*\n")


def prompt_key(text: str) -> bytes:
    """Identity of a prompt: blake2b-128 of the NFKC text with white space folded. Case and script still count."""
    return _digest(_normalised(text))


def mc_key(question: str, options: Iterable[str]) -> bytes:
    """Identity of a multiple-choice item: SafetyBench repeats 57 questions with other options."""
    # Folded text holds no line break, so joining with one keeps any two items apart.
    return _digest("\n".join((_normalised(question), *map(_normalised, options))))


def response_key(text: str) -> bytes:
    """Identity of a response among those of its prompt: blake2b-128 of the text with white space folded.

    Without NFKC: it takes eight times as long on long texts, and responses that differ in punctuation are two choices.
    """
    return _digest(" ".join(text.split()))


def folded(text: str) -> str:
    """The text for search: NFKC, simplified characters (OpenCC TSCharacters), case folded; never shown.

    One pass through a table filled on first sight: three times as fast as normalising, converting and folding in turn.
    """
    if text.isascii():
        return text.casefold()
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return text.translate(_FOLD)


def language(text: str) -> Language:
    """The language by script: a Latin word weighs as much as a Chinese character.

    "zh" from 70 % Chinese, "en" from 90 % Latin, "mixed" between; "other" where another script leads or no letter is.
    """
    han = sum(map(len, _HAN.findall(text)))
    words = len(_LATIN_WORD.findall(text))
    other = 0 if text.isascii() else sum(map(len, _OTHER_SCRIPT.findall(text)))
    known = han + words
    if known == 0 or other > known or (other and other * 3 > han > words):
        return "other"  # kana beside a few Chinese characters is Japanese
    if han >= 0.7 * known:
        return "zh"
    return "en" if words >= 0.9 * known else "mixed"


def clean(text: str) -> str:
    r"""The text as it is shown, sent and exported: no marks without width, no blank edges, no stray lead "n\n".

    Safety-Prompts responses begin with "\n\n" or "n\n", left over from an escaped line break. Idempotent.
    """
    if "\ufeff" in text or "\u200b" in text or "\u2060" in text:  # rare, and found ten times as fast as by the pattern
        text = _INVISIBLE.sub("", text)
    bare = text.strip(_BLANK)
    while lead := _LEAD.match(bare):
        bare = bare[lead.end() :].lstrip(_BLANK)
    return bare


class _PerCharacter(dict[int, str]):
    """NFKC of single characters, filled on first sight."""

    def __missing__(self, code: int) -> str:
        value = self[code] = unicodedata.normalize("NFKC", chr(code))
        return value


class _Folding(dict[int, str]):
    """NFKC, simplified, case-folded form of single characters, filled on first sight."""

    def __missing__(self, code: int) -> str:
        plain = unicodedata.normalize("NFKC", chr(code))
        value = self[code] = "".join(map(_simplified, plain)).casefold()
        return value


_NFKC = _PerCharacter()
_FOLD = _Folding()


def _simplified(char: str) -> str:
    return str(_converter().convert(char)) if _HAN.match(char) else char


@cache
def _converter() -> Any:  # opencc has no types
    from opencc import OpenCC

    # One character at a time: phrases of the conversion never apply, so a text folds the same in any context.
    return OpenCC("t2s")


def _normalised(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text) if _NOT_SIMPLE.search(text) else text.translate(_NFKC)
    return " ".join(text.split())


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()
