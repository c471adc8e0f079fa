"""What a reader yields, and what makes one row or a whole file unusable."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Protocol

MAX_ITEM = 16 * 1024 * 1024  # characters of one row
TOO_LARGE = f"is larger than {MAX_ITEM // 1024 // 1024} MB"
TOO_LONG = "contains a number with too many digits"
MAX_RAW = MAX_ITEM  # characters of a bad row that are kept for people to correct

GROUP, INDEX = "@group", "@index"  # names under which a kept row says where in its document it was

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Named(Protocol):
    """A file, or a member of an archive or folder: all that a message needs to know of it."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Record:
    """One row. `number` counts from 1 (JSONL: the line; JSON: the item; CSV: the row below the header).

    `group` is the name that a JSON object gives to the array the row is in, `index` its place there from 0;
    index is None where the name stands for the value itself. `warning` says what is doubtful about it, else "".
    """

    number: int
    value: Any  # whatever JSON or CSV holds: importers check its shape
    group: str = ""
    index: int | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class BadRecord:
    """One row that cannot be used. `reason` completes "the row ..."; `field` is "" where the whole row is meant.

    `raw` is the row as it stood in the file, see `kept_raw`; `group` and `index` as those of a Record.
    """

    number: int
    field: str
    reason: str
    raw: str = ""
    group: str = ""
    index: int | None = None


class BadFile(Exception):
    """A file that cannot be read on. The message says which file, where, what is wrong and what to do."""

    def __init__(self, path: Named, problem: str, advice: str, where: str = "") -> None:
        super().__init__(f"{path.name}{', ' + where if where else ''}: {problem}. {advice}")
        self.problem = problem


class OtherShape(BadFile):
    """A readable file in another shape than this reader's: JSON for JSONL, a table without a header."""


def is_unicode(text: str) -> bool:
    """False for lone surrogates, the marks that bytes which are no text leave behind when they are decoded."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def kept_raw(text: str) -> str:
    """A bad row to be kept, "" for one that is larger than a row may be; unstorable characters become U+FFFD."""
    return "" if len(text) > MAX_RAW else _UNSTORABLE.sub("\ufffd", text)


def kept_value(value: object) -> str:
    """A bad row to be kept as JSON, as `kept_raw`; "" where it is nested too deeply to be written."""
    try:
        return kept_raw(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return ""


def text_defect(text: str) -> str:
    """Why a text cannot be stored, or "": PostgreSQL refuses NUL, UTF-8 refuses lone surrogates."""
    if "\0" in text:
        return "contains a NUL character"
    return "" if is_unicode(text) else "contains bytes that are not text in the encoding of the file"


def value_defect(value: object) -> tuple[str, str]:
    """(top-level field, reason) of the first text or number in a JSON value that cannot be stored, else ("", "")."""
    stack: list[tuple[str, object]] = [("", value)]
    while stack:
        field, part = stack.pop()
        if isinstance(part, str | float):
            if reason := text_defect(part) if isinstance(part, str) else _number_defect(part):
                return field, reason
        elif isinstance(part, list):
            stack.extend((field, item) for item in part)
        elif isinstance(part, dict):
            for key, item in part.items():
                if reason := text_defect(key):
                    return field, reason
                stack.append((field or key, item))
    return "", ""


def _number_defect(number: float) -> str:
    return "" if math.isfinite(number) else "contains a number that is too large"
