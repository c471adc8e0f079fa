"""Rows of JSONL files, and of any file by what its beginning looks like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Literal

import orjson

from madsafe_web.core.textio.csvrows import read_csv
from madsafe_web.core.textio.decoding import OVERSIZE, open_text, text_lines
from madsafe_web.core.textio.jsonitems import read_json_items
from madsafe_web.core.textio.parquet import is_parquet, read_parquet
from madsafe_web.core.textio.records import (
    GROUP,
    INDEX,
    TOO_LARGE,
    BadFile,
    BadRecord,
    OtherShape,
    Record,
    is_unicode,
    kept_raw,
    text_defect,
    value_defect,
)
from madsafe_web.core.textio.sources import Source, is_corrected, is_kept, told_once

Shape = Literal["json", "jsonl"]
Layout = Literal["json", "jsonl", "csv", "parquet"]

_FIRST = 20  # rows that are looked at to tell what a file is
_INT64 = 2**63
_LINES_NAME = re.compile(r"\.(jsonl|ndjson)(\.(gz|zip))?$", re.IGNORECASE)
_JSON_START = re.compile(r'\s*(\{\s*["}]|\[\s*[\[\]{"])')


def read_any(path: Source, columns: Sequence[str] = ()) -> Iterator[Record | BadRecord]:
    """Rows of a JSON, JSONL, CSV or Parquet file, whatever its name; `columns` as `read_csv` takes them."""
    layout = file_layout(path)
    return _kept_rows(path) if is_kept(path) and not columns else _rows(path, layout, columns)


def _kept_rows(path: Source) -> Iterator[Record | BadRecord]:
    """The rows of a file whose first ones are read once for all who look at it."""
    first = told_once(path, _first_rows)
    yield from first
    yield from islice(_rows(path, file_layout(path)), len(first), None)


def _first_rows(path: Source) -> list[Record | BadRecord]:
    first: list[Record | BadRecord] = []
    with suppress(BadFile):  # whoever reads on gets to know it
        first.extend(islice(_rows(path, file_layout(path)), _FIRST))
    return first


def _rows(path: Source, layout: Layout, columns: Sequence[str] = ()) -> Iterator[Record | BadRecord]:
    if layout == "parquet":
        return read_parquet(path)
    if layout == "csv":
        return read_csv(path, columns)
    return read_jsonl(path) if layout == "jsonl" else read_json_items(path)


def file_layout(path: Source) -> Layout:
    """What the beginning of a file looks like; a file that is neither Parquet nor JSON is taken for CSV."""
    return told_once(path, _layout)


def _layout(path: Source) -> Layout:
    if is_corrected(path):
        return "jsonl"
    if is_parquet(path):
        return "parquet"
    head = next(open_text(path), "")
    return file_shape(path) if _JSON_START.match(head) else "csv"


def read_jsonl(path: Source) -> Iterator[Record | BadRecord]:
    """One JSON value a line; `number` is the line, blank lines are passed over. Raises BadFile when it is no JSONL."""
    return map(_placed, _json_lines(path)) if is_corrected(path) else _json_lines(path)


def _json_lines(path: Source) -> Iterator[Record | BadRecord]:
    started = False
    for number, line in enumerate(text_lines(open_text(path)), start=1):
        if not line or line.isspace():
            continue
        if not started and line.strip() in ("[", "{"):
            raise OtherShape(path, "it is one JSON document over many lines, not one a line", "Name it .json", "line 1")
        started = True
        yield _json_line(number, line)


def _placed(record: Record | BadRecord) -> Record | BadRecord:
    """A corrected row where it was in its document, if it says so."""
    if isinstance(record, BadRecord) or not isinstance(record.value, dict) or GROUP not in record.value:
        return record
    group, index = record.value[GROUP], record.value.get(INDEX)
    value = {name: part for name, part in record.value.items() if name not in (GROUP, INDEX)}
    return Record(record.number, value, str(group), index if isinstance(index, int) else None)


def read_rows(path: Source) -> Iterator[Record | BadRecord]:
    """Rows of a file that may be JSONL or one JSON document: its beginning tells."""
    return read_jsonl(path) if file_shape(path) == "jsonl" else read_json_items(path)


def file_shape(path: Source) -> Shape:
    """ "jsonl" when each line is a JSON object of its own, else "json". Reads two lines, not the file.

    One line that may be either is what the ending of its name says.
    """
    if is_corrected(path):
        return "jsonl"
    lines = (line for line in text_lines(open_text(path)) if line and not line.isspace())
    first = next(lines, "").strip()
    if not first.startswith("{") or not first.endswith("}"):
        return "json"
    if next(lines, "") or _LINES_NAME.search(path.name):
        return "jsonl"  # a document would have ended with its first line
    try:
        only = orjson.loads(first)
    except orjson.JSONDecodeError:
        return "jsonl"
    # One line: a whole document has arrays or objects under its names, a row has a text somewhere.
    return "json" if all(isinstance(part, list | dict) for part in only.values()) else "jsonl"


def _json_line(number: int, line: str) -> Record | BadRecord:
    if line is OVERSIZE:
        return BadRecord(number, "", TOO_LARGE)
    if not is_unicode(line):
        return BadRecord(number, "", text_defect(line), kept_raw(line))
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        reason = f"is not valid JSON: {error.msg} at character {error.colno}"
        return BadRecord(number, "", reason, kept_raw(line))
    if _has_large_number(value):
        try:
            value = json.loads(line)
        except RecursionError:
            return BadRecord(number, "", "is nested too deeply", kept_raw(line))
    if "\\u0000" in line:
        field, reason = value_defect(value)
        if reason:
            return BadRecord(number, field, reason, kept_raw(line))
    return Record(number, value)


def _has_large_number(value: object) -> bool:
    """Whether there may be an integer over 64 bits, of which orjson makes a float that is not quite the same."""
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)
        elif isinstance(part, float) and abs(part) >= _INT64:
            return True
    return False
