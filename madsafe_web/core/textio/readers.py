"""Rows of JSONL and CSV files, and of any file by what its beginning looks like."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Literal

import orjson

from madsafe_web.core.textio.decoding import OVERSIZE, open_text, text_lines
from madsafe_web.core.textio.jsonitems import read_json_items
from madsafe_web.core.textio.parquet import is_parquet, read_parquet
from madsafe_web.core.textio.records import (
    MAX_ITEM,
    TOO_LARGE,
    BadFile,
    BadRecord,
    Named,
    OtherShape,
    Record,
    is_unicode,
    kept_raw,
    text_defect,
    value_defect,
)
from madsafe_web.core.textio.sources import Source, is_corrected

Shape = Literal["json", "jsonl"]
Layout = Literal["json", "jsonl", "csv", "parquet"]

_INT64 = 2**63
_JSON_START = re.compile(r'\s*(\{\s*["}]|\[\s*[\[\]{"])')


def read_any(path: Source, columns: Sequence[str] = ()) -> Iterator[Record | BadRecord]:
    """Rows of a JSON, JSONL, CSV or Parquet file, whatever its name; `columns` as `read_csv` takes them."""
    layout = file_layout(path)
    if layout == "parquet":
        return read_parquet(path)
    if layout == "csv":
        return read_csv(path, columns)
    return read_jsonl(path) if layout == "jsonl" else read_json_items(path)


def file_layout(path: Source) -> Layout:
    """What the beginning of a file looks like; a file that is neither Parquet nor JSON is taken for CSV."""
    if is_corrected(path):
        return "jsonl"
    if is_parquet(path):
        return "parquet"
    head = next(open_text(path), "")
    return file_shape(path) if _JSON_START.match(head) else "csv"


def read_jsonl(path: Source) -> Iterator[Record | BadRecord]:
    """One JSON value a line; `number` is the line, blank lines are passed over. Raises BadFile when it is no JSONL."""
    started = False
    for number, line in enumerate(text_lines(open_text(path)), start=1):
        if not line or line.isspace():
            continue
        if not started and line.strip() in ("[", "{"):
            raise OtherShape(path, "it is one JSON document over many lines, not one a line", "Name it .json", "line 1")
        started = True
        yield _json_line(number, line)


def read_rows(path: Source) -> Iterator[Record | BadRecord]:
    """Rows of a file that may be JSONL or one JSON document: its beginning tells."""
    return read_jsonl(path) if file_shape(path) == "jsonl" else read_json_items(path)


def file_shape(path: Source) -> Shape:
    """ "jsonl" when each line is a JSON object of its own, else "json". Reads two lines, not the file."""
    if is_corrected(path):
        return "jsonl"
    lines = (line for line in text_lines(open_text(path)) if line and not line.isspace())
    first = next(lines, "").strip()
    if not first.startswith("{") or not first.endswith("}"):
        return "json"
    if next(lines, ""):
        return "jsonl"  # a document would have ended with its first line
    try:
        only = orjson.loads(first)
    except orjson.JSONDecodeError:
        return "jsonl"
    # One line: a whole document has arrays or objects under its names, a row has a text somewhere.
    return "json" if all(isinstance(part, list | dict) for part in only.values()) else "jsonl"


def read_csv(path: Source, columns: Sequence[str] = ()) -> Iterator[Record | BadRecord]:
    """Rows below the header as {column: cell}, cells unchanged; tab-separated when the first line has only tabs.

    `columns` names the cells of a file without a header; should one stand there after all (the same names, case
    aside), it is passed over. A row with another number of cells, bad quotes or unusable text is a BadRecord.
    Raises BadFile for an empty file, a header with a name twice, or quotes that never close.
    """
    csv.field_size_limit(MAX_ITEM)
    lines = (line + "\n" for line in text_lines(open_text(path)))
    first = next(lines, "")
    delimiter = "\t" if "\t" in first and "," not in first else ","
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    header = list(columns) or _header(path, reader)
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
        if columns and not number and _is_header(cells, header):
            continue
        if cells:
            number += 1
            yield _csv_row(number, header, cells)


def _is_header(cells: list[str], columns: list[str]) -> bool:
    return [cell.strip().casefold() for cell in cells] == [name.casefold() for name in columns]


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


def _header(path: Named, reader: Iterator[list[str]]) -> list[str]:
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
        return BadRecord(number, field, reason, _kept_cells(header, cells))
    if len(cells) != len(header):
        return BadRecord(number, "", f"has {len(cells)} cells, expected {len(header)}", _kept_cells(header, cells))
    return Record(number, dict(zip(header, cells, strict=True)))


def _kept_cells(header: list[str], cells: list[str]) -> str:
    """A row as a JSON object by the names of its columns, cells that have none in a list under `_more`."""
    kept = [kept_raw(cell) for cell in cells]
    row: dict[str, object] = dict(zip(header, kept, strict=False))
    if more := kept[len(header) :]:
        row["_more"] = more
    return kept_raw(json.dumps(row, ensure_ascii=False))
