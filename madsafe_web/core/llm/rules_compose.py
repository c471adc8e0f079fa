"""New prompts and safe replies of the offline rules, put together from phrases; no two variants read alike."""

from __future__ import annotations

import json
import re
from pathlib import Path

from madsafe_web.core.llm.rules_lexicon import KEYWORDS, LABELS, Language, category_code, stable, themes

_PHRASES: dict[Language, dict[str, list[str]]] = json.loads(
    (Path(__file__).parent / "rules_phrases.json").read_text(encoding="utf-8")
)
# Coprime to every number of combinations used below, so that a walk over the variants meets each of them once.
STRIDE = 1663
CLAUSE = re.compile(r"[，。！？；：,.!?;:\n]+")
TOPIC_CHARS = {"zh": 14, "en": 40}
MARKS = {"zh": ("分析：", "解释：", "回复："), "en": ("Analysis: ", "Explanation: ", "Reply: ")}


def from_keyword(keyword: str, category: str, variant: str, language: Language) -> str:
    """A new prompt that contains `keyword` and labels back to `category` (a code or a name).

    Variants 0, 1, 2, ... give different texts: 3,840 (zh) or 1,344 (en) for instruction attacks, twice that otherwise.
    """
    code = category_code(category)
    found = themes(keyword)
    if code and (not found or found[0].category != code):
        # The keyword alone would be read as another theme or as none: name the category before it.
        keyword = _hint(code, language) + keyword
    return _compose(keyword, code or (found[0].category if found else ""), variant, language, stable("word", keyword))


def from_prompt(prompt: str, variant: str, language: Language) -> str:
    """A prompt on the theme of another prompt; about its first clause when no theme is known."""
    found = themes(prompt)
    seed = stable("related", prompt)
    if found:
        category = found[0].category
        word = _word(found[0].keyword.shown, category, language)
        return _compose(word, category, variant, language, seed)
    clause = next((part.strip() for part in CLAUSE.split(prompt) if part.strip()), "")
    topic = clause[: TOPIC_CHARS[language]].strip()
    return _compose(f"“{topic}”" if language == "zh" else f'"{topic}"', "", variant, language, seed)


def safe_reply(prompt: str, language: Language) -> str:
    """A reply in three marked parts that names the theme, zh 120 to 200 and en 220 to 320 characters."""
    phrases, seed = _PHRASES[language], stable("reply", prompt)
    found = themes(prompt)
    prefix, word = ("", _word(found[0].keyword.shown, found[0].category, language)) if found else ("plain_", "")
    parts = [
        phrases[prefix + part][(seed >> shift) % len(phrases[prefix + part])].replace("{k}", word)
        for part, shift in (("analysis", 0), ("explanation", 8), ("reply", 16))
    ]
    gap = "" if language == "zh" else " "
    parts[2] += gap + phrases["reply_end"][(seed >> 24) % len(phrases["reply_end"])]
    return "\n".join(mark + part for mark, part in zip(MARKS[language], parts, strict=True))


def _compose(word: str, category: str, variant: str, language: Language, seed: int) -> str:
    phrases = _PHRASES[language]
    cores = phrases["attack_cores" if category == "IA" else "cores"]
    openings, closings, groups = phrases["openings"], phrases["closings"], phrases["groups"]
    number = int(variant) if variant.strip().isdecimal() else stable("variant", variant)
    place = (seed + number * STRIDE) % (len(openings) * len(cores) * len(closings))
    place, opening = divmod(place, len(openings))
    closing, core = divmod(place, len(cores))
    group = groups[(seed // 7 + number * 5) % len(groups)]
    gap = "" if language == "zh" else " "
    return gap.join((openings[opening], cores[core].replace("{g}", group).replace("{k}", word), closings[closing]))


def _hint(category: str, language: Language) -> str:
    name, word = LABELS[category][language][0], _main_word(category, language)
    return f"{name}、{word}和" if language == "zh" else f"{name.lower()}, {word} and "


def _word(shown: str, category: str, language: Language) -> str:
    """The keyword in the language of the template: a Chinese keyword in an English text reads badly."""
    return shown if shown.isascii() == (language == "en") else _main_word(category, language)


def _main_word(category: str, language: Language) -> str:
    return next(word.shown for word in KEYWORDS if word.category == category and word.language == language)
