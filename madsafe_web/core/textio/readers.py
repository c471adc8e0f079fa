"""Rows of JSONL and CSV files, and of JSON in either shape."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

import orjson

from madsafe_web.core.textio.decoding import OVERSIZE, open_text, text_lines
from madsafe_web.core.textio.jsonitems import read_json_items
from madsafe_web.core.textio.records import (
    MAX_ITEM,
    TOO_LARGE,
    BadFile,
    BadRecord,
    OtherShape,
    Record,
    is_unicode,
    text_defect,
    value_defect,
)

Shape = Literal["json", "jsonl"]


def read_jsonl(path: Path) -> Iterator[Record | BadRecord]:
    """One JSON value a line; `number` is the line, blank lines are passed over. Raises BadFile when it is no JSONL."""
    started = False
    for number, line in enumerate(text_lines(open_text(path)), start=1):
        if not line or line.isspace():
            continue
        if not started and line.strip() in ("[", "{"):
            raise OtherShape(path, "it is one JSON document over many lines, not one a line", "Name it .json", "line 1")
        started = True
        yield _json_line(number, line)


def read_rows(path: Path) -> Iterator[Record | BadRecord]:
    """Rows of a file that may be JSONL or one JSON document: its beginning tells."""
    return read_jsonl(path) if file_shape(path) == "jsonl" else read_json_items(path)


def file_shape(path: Path) -> Shape:
    """ "jsonl" when each line is a JSON object of its own, else "json". Reads two lines, not the file."""
    lines = (line for line in text_lines(open_text(path)) if line and not line.isspace())
    first = next(lines, "").strip()
    if not first.startswith("{") or not first.endswith("}"):
        return "json"
    if next(lines, "").lstrip().startswith("{"):
        return "jsonl"
    try:
        only = orjson.loads(first)
    except orjson.JSONDecodeError:
        return "jsonl"
    # One line: a whole document has arrays or objects under its names, a row has a text somewhere.
    return "json" if all(isinstance(part, list | dict) for part in only.values()) else "jsonl"


def read_csv(path: Path) -> Iterator[Record | BadRecord]:
    """Rows below the header as {column: cell}, cells unchanged; tab-separated when the header has tabs and no comma.

    A row with another number of cells, bad quotes or unusable text is a BadRecord.
    Raises BadFile for an empty file, a header with a name twice, or quotes that never close.
    """
    csv.field_size_limit(MAX_ITEM)
    lines = (line + "\n" for line in text_lines(open_text(path)))
    first = next(lines, "")
    delimiter = "\t" if "\t" in first and "," not in first else ","
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    header = _header(path, reader)
    number = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            if "unexpected end" in str(error):
                advice, where = "Fetch the file again or fix it", f"row {number:,}"
                raise BadFile(path, "a quote opens and never closes", advice, where) from error
            yield BadRecord(number, "", f"is not valid CSV: {error}")
            continue
        if cells:
            number += 1
            yield _csv_row(number, header, cells)


def _json_line(number: int, line: str) -> Record | BadRecord:
    if line is OVERSIZE:
        return BadRecord(number, "", TOO_LARGE)
    if not is_unicode(line):
        return BadRecord(number, "", text_defect(line))
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return BadRecord(number, "", f"is not valid JSON: {error.msg} at character {error.colno}")
    if "\\u0000" in line:
        field, reason = value_defect(value)
        if reason:
            return BadRecord(number, field, reason)
    return Record(number, value)


def _header(path: Path, reader: Iterator[list[str]]) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise OtherShape(path, f"the header is not valid CSV: {error}", "Save it as CSV again", "line 1") from error
    if not any(header) or text_defect("".join(header)):
        raise OtherShape(path, "there is no header with the names of the columns", "Add it as line 1", "line 1")
    if len(set(header)) < len(header):
        raise OtherShape(path, "the header has the same name twice", "Name each column once", "line 1")
    return header


def _csv_row(number: int, header: list[str], cells: list[str]) -> Record | BadRecord:
    row = "".join(cells)
    if OVERSIZE in row:
        return BadRecord(number, "", TOO_LARGE)
    if reason := text_defect(row):
        field = next((name for name, cell in zip(header, cells, strict=False) if text_defect(cell)), "")
        return BadRecord(number, field, reason)
    if len(cells) != len(header):
        return BadRecord(number, "", f"has {len(cells)} cells, expected {len(header)}")
    return Record(number, dict(zip(header, cells, strict=True)))
