"""Find the JSON object that a model's reply ends with. Strict: what cannot be read exactly is not read at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)


def last_object(text: str) -> dict[str, Any] | None:
    """The last top-level `{...}` of `text` as a dict.

    None when there is none, when it is unfinished, is not valid JSON, repeats a key or holds NaN or Infinity.
    An earlier object never stands in for a broken last one. O(length).
    """
    start, end = -1, -1
    for start, end in _spans(text):  # noqa: B007 (only the last pair is wanted)
        pass
    if start < 0 or end < 0:
        return None
    try:
        value = json.loads(text[start:end], object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each top-level brace pair, end -1 for one that never closes; braces in strings do not count."""
    start = text.find("{")
    while start >= 0:
        end = _closing(text, start)
        yield start, end
        start = text.find("{", end) if end > 0 else -1


def _closing(text: str, start: int) -> int:
    depth = 0
    for token in TOKEN.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return -1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("The object repeats a key.")
    return value


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number.")
