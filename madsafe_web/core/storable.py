"""Which values come back from every database as they went in."""

from __future__ import annotations

import math
from typing import Any

LARGEST = 2**53  # beyond it, a database or a reader of JSON may give another number back


def is_storable(value: Any) -> bool:
    """Whether SQLite and PostgreSQL both give this JSON value back unchanged, so that its hash stays the same.

    Not so: NaN and infinity, numbers beyond 2**53, minus zero, and texts with NUL or half a surrogate pair.
    """
    if isinstance(value, dict):
        return all(is_storable(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return all(is_storable(part) for part in value)
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, float) and value == 0:
        return math.copysign(1, value) > 0
    return not isinstance(value, int | float) or (math.isfinite(value) and abs(value) <= LARGEST)


def storable(text: str) -> str:
    """The text without what no database takes: NUL, and halves of characters that a model broke off."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
