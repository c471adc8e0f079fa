"""Read what models answer: category suggestions, scores, generated prompts, chains of thought.

Tolerant about decoration (numbering, quotes, prefixes), strict about meaning: what cannot be read gives nothing,
never a default.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from madsafe_web.core.llm import structured
from madsafe_web.core.llm.json_reply import last_object
from madsafe_web.core.llm.label_words import REFUSAL

if TYPE_CHECKING:
    from opencc import OpenCC

CATEGORIES = ("OFF", "UB", "CIA", "PP", "EM", "PMH", "IA", "MI", "DP", "NS", "EX", "PR", "DT", "PS")
NO_CATEGORY = "NONE"
MOST_KEY_CHARS = 200
MIN_PROMPT_CHARS = 4

FENCE = re.compile(r"^\s*```\w*\s*\n|\n\s*```\s*$")
NUMBERING = re.compile(r"^\s*(?:[(（]?\d{1,2}\s*[.)）、．:：]\s*|[(（]\d{1,2}[)）]\s*|[①-⑳]\s*|[-*•·–]\s+)")
NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE]-?\d+)?")
SCORE_LIST = re.compile(r"\[([^\[\]]*)\]")
SCORE_PREFIX = re.compile(r"^[^\d:.]{0,30}:\s*")

PROMPT_PREFIX = re.compile(
    r"^\s*\**(?:(?:新的?|相关的?|生成的?|改写后?的?)?(?:提问|问题|提示词|指令)|(?:here is |here's )?(?:a |the |one )?"
    r"(?:new |related )?(?:prompt|question|instruction)|output)(?:\s*\d{1,2})?\**\s*[：:]\s*",
    re.IGNORECASE,
)
COT_MARK = re.compile(
    r"^[ \t#*【\[]*(?:(?P<analysis>分析|analysis)|(?P<explanation>解释|explanation)|(?P<reply>回复|reply))"
    r"[ \t*】\]]*[：:][ \t*]*",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A category code (or "NONE") and how sure the model says it is, 0..1."""

    category: str
    confidence: float


@dataclass(frozen=True, slots=True)
class CotReply:
    """The three parts of a regenerated response; only `reply` is trained on unless a user asks for more."""

    analysis: str
    explanation: str
    reply: str


@lru_cache(maxsize=65536)
def label_key(label: str) -> str:
    """The identity of a label: NFKC, case folded, traditional characters made simplified, white space folded.

    Two spellings with one key are one label. At most 200 characters: a longer one ends in a digest. Idempotent.
    """
    # Case folding can undo NFKC (and the reverse), hence the second round.
    key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold()).casefold()
    key = " ".join(unicodedata.normalize("NFKC", key).split())
    return _short(key if key.isascii() else _simplified(key))


def _short(key: str) -> str:
    if len(key) <= MOST_KEY_CHARS:
        return key
    digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return f"{key[: MOST_KEY_CHARS - len(digest) - 1].rstrip()} {digest}"


def suggestion_schema(categories: Collection[str]) -> structured.Schema:
    """What a suggestion must look like where these are the category codes."""
    codes = {"type": "string", "enum": [*categories, NO_CATEGORY]}
    return structured.object_of({"category": codes, "confidence": {"type": "number"}})


def suggestion(text: str, categories: Collection[str] = CATEGORIES) -> Suggestion | None:
    """The category and confidence of the last JSON object in `text`.

    None unless the category is one of `categories` or "NONE" (upper or lower case) and the confidence is within 0..1.
    """
    found = last_object(text)
    if found is None:
        return None
    category, confidence = found.get("category"), found.get("confidence")
    if not isinstance(category, str) or isinstance(confidence, bool) or not isinstance(confidence, int | float):
        return None
    category = category.strip().upper()
    known = category == NO_CATEGORY or category in categories
    return Suggestion(category, float(confidence)) if known and 0 <= confidence <= 1 else None


def scores(text: str, count: int) -> tuple[float, ...] | None:
    """Exactly `count` numbers within 0..1, as a list `[0.9, 0.2]` or bare; full-width digits count as digits.

    None for anything else: another number of values, a value out of range, "0.9/1", "90%", two lists, or numbers
    named one by one ("output2: 0.9"), whose order would have to be guessed.
    """
    text = unicodedata.normalize("NFKC", FENCE.sub("", text.strip())).strip()
    lists = list(SCORE_LIST.finditer(text))
    if len(lists) > 1:
        return None
    if lists:
        if re.match(r"\s*[/%\d]", text[lists[0].end() :]):
            return None
        body = lists[0][1]
    else:
        body = SCORE_PREFIX.sub("", text, count=1).rstrip("。.")
    parts = re.split(r"\s*[,、;]\s*|\s+", body.strip())
    if len(parts) != count or not all(NUMBER.fullmatch(part) for part in parts):
        return None
    values = tuple(float(part) for part in parts)
    return values if all(math.isfinite(value) and value <= 1 for value in values) else None


def generated_prompt(text: str) -> str:
    """The one prompt that a generator was asked for, without numbering, quotes or a leading "新问题：".

    Of a numbered list the first entry counts. "" when unusable: a refusal, or shorter than 4 characters.
    """
    text = FENCE.sub("", text.strip()).strip()
    text = PROMPT_PREFIX.sub("", text, count=1).strip()
    numbered = [line for line in text.splitlines() if NUMBERING.match(line)]
    if numbered and NUMBERING.match(text):
        text = numbered[0] if len(numbered) > 1 else text
    text = _unquoted(PROMPT_PREFIX.sub("", NUMBERING.sub("", text, count=1), count=1).strip())
    if REFUSAL.search(text) or sum(char.isalnum() for char in text) < MIN_PROMPT_CHARS:
        return ""
    return text


def cot_reply(text: str) -> CotReply | None:
    """The three marked parts (zh 分析 解释 回复, en Analysis Explanation Reply) of a regenerated response.

    None when a mark is missing, out of order, or a part is empty. Marks inside the reply are text of the reply.
    """
    marks = list(COT_MARK.finditer(text))[:3]
    if [mark.lastgroup for mark in marks] != ["analysis", "explanation", "reply"]:
        return None
    ends = [marks[1].start(), marks[2].start(), len(text)]
    parts = [text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]
    return CotReply(*parts) if all(parts) else None


def _unquoted(text: str) -> str:
    """Take off one pair of quotes around the whole text; quotes inside stay."""
    pairs = {'"': '"', "'": "'", "“": "”", "「": "」", "『": "』", "‘": "’"}
    if len(text) > 1 and pairs.get(text[0]) == text[-1] and text[-1] not in text[1:-1]:
        return text[1:-1].strip()
    return text


@lru_cache(maxsize=1)
def _converter() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")


def _simplified(text: str) -> str:
    converted: str = _converter().convert(text)
    return converted
