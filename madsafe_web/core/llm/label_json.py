"""Labels in JSON that a model wrote, or in what looks like it: single quotes, a comma too many."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from madsafe_web.core.llm.label_words import LABEL_WORDS

LONGEST = 8_000  # characters that are looked through
MOST_STARTS = 20  # brackets at which JSON may begin
DEEPEST = 4
BEGINS = re.compile(r"\{|\[")
LOOKS_LIKE = re.compile(r"\{|\[\s*[\"'{\[]|\[\s*\]$|null$|[\"'][^\"']*[\"']$")
NAMED = re.compile(rf"^(?:.*[_\s-])?(?:{LABEL_WORDS}|name|名称)(?:[_\s-]?\d{{1,2}})?$", re.IGNORECASE)
SEPARATORS = re.compile(r"[、，,;；|｜/／\n]+")


def json_labels(text: str) -> list[str] | None:
    """The labels of the first object or list of texts; [] for JSON without any, None where the text holds no JSON."""
    text = text[:LONGEST]
    for value in _values(text):
        if isinstance(value, dict) or (isinstance(value, list) and _is_of_labels(value)):
            return list(_found(value, 0))
    return [] if text.startswith("{") or re.match(r"\[\s*[\"'{]", text) or text.replace(" ", "") == "[]" else None


def _values(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    for number, begin in enumerate(BEGINS.finditer(text)):
        if number == MOST_STARTS:
            return
        try:
            yield decoder.raw_decode(text, begin.start())[0]
        except (ValueError, RecursionError):
            yield _loose(text, begin.start())


def _loose(text: str, start: int) -> Any:
    """What Python would read from there to the last closing bracket; None where it reads nothing."""
    end = max(text.rfind("}"), text.rfind("]"))
    try:
        return ast.literal_eval(text[start : end + 1])
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _is_of_labels(value: list[Any]) -> bool:
    return any(isinstance(one, str | dict | list) for one in value)


def _found(value: Any, depth: int) -> Iterator[str]:
    """The texts of a list, and what stands under a name for labels in objects."""
    if depth > DEEPEST:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _found(one, depth + 1)
    elif isinstance(value, dict):
        yield from _of_object(value, depth)


def _of_object(value: dict[Any, Any], depth: int) -> Iterator[str]:
    named = [one for name, one in value.items() if isinstance(name, str) and NAMED.match(name.strip())]
    inner = [one for one in value.values() if isinstance(one, dict | list)]
    for one in named or inner:
        if isinstance(one, str):
            yield from SEPARATORS.split(one)
        else:
            yield from _found(one, depth + 1)
