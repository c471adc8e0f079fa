"""Rows of a file of no known format: JSONL, JSON in any shape, CSV with or without names, or one prompt a line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

from annotation.importers._columns import GROUP, MISSING, ColumnMap, columns_of, value_at
from annotation.importers.base import WrongFormat, kind_of
from madsafe_web.core.textio import (
    MAX_ITEM,
    BadFile,
    BadRecord,
    Record,
    open_text,
    read_csv,
    read_json_items,
    read_rows,
)
from madsafe_web.core.textio.decoding import OVERSIZE, text_lines
from madsafe_web.core.textio.records import TOO_LARGE, text_defect

Shape = Literal["json", "csv", "parquet"]
DELIMITERS = (",", "\t", ";")
_ADVICE = "Correct the mapping, or give the name of the list that holds the rows"


def shape_of(path: Path) -> Shape:
    """What the first bytes of the content say. Reads one chunk."""
    for chunk in open_text(path):
        if start := chunk.lstrip("\ufeff \t\r\n"):
            return "json" if start[0] in "[{" else "csv"
    return "csv"


def table(path: Path, columns: ColumnMap) -> Iterator[Record | BadRecord]:
    """Rows as objects by the names of their columns, "@group" among them where the row is in an array with a name.

    Raises WrongFormat where the list that the mapping names is not there, and BadFile as the readers do.
    """
    if columns.lines:
        yield from _lines(path)
    elif shape_of(path) == "json":
        found = _under(path, columns.records) if columns.records else read_rows(path)
        yield from map(_named, found)
    elif columns.header is False:
        yield from _headless(path)
    else:
        yield from read_csv(path)


def delimiter_of(line: str) -> str:
    """What stands most often between the cells of a line."""
    return max(DELIMITERS, key=line.count)


def _named(record: Record | BadRecord) -> Record | BadRecord:
    if isinstance(record, BadRecord):
        return record
    value = columns_of(record.value)
    if record.group and GROUP not in value:
        value = {**value, GROUP: record.group}
    return Record(record.number, value, record.group, record.index)


def _lines(path: Path) -> Iterator[Record | BadRecord]:
    for number, line in enumerate(text_lines(open_text(path)), 1):
        text = line.removesuffix("\r")
        if not text.strip("\ufeff"):
            continue
        reason = TOO_LARGE if line is OVERSIZE else text_defect(text)
        yield BadRecord(number, "1", reason) if reason else Record(number, {"1": text})


def _headless(path: Path) -> Iterator[Record | BadRecord]:
    csv.field_size_limit(MAX_ITEM)
    lines = (line + "\n" for line in text_lines(open_text(path)))
    first = next(lines, "")
    cells_of = csv.reader(chain([first], lines), delimiter=delimiter_of(first), strict=True)
    number = width = 0
    while True:
        try:
            cells = next(cells_of)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            if "unexpected end" in str(error):
                advice = "Fetch the file again or fix it"
                raise BadFile(path, "a quote opens and never closes", advice, f"row {number:,}") from error
            yield BadRecord(number, "", f"is not valid CSV: {error}")
            continue
        if cells:
            number += 1
            width = width or len(cells)
            yield _row(number, cells, width)


def _row(number: int, cells: list[str], width: int) -> Record | BadRecord:
    row = "".join(cells)
    if OVERSIZE in row:
        return BadRecord(number, "", TOO_LARGE)
    if reason := text_defect(row):
        return BadRecord(number, "", reason)
    if len(cells) != width:
        return BadRecord(number, "", f"has {len(cells)} cells, expected {width}")
    return Record(number, columns_of(cells))


def _under(path: Path, records: str) -> Iterator[Record | BadRecord]:
    """The rows of the list under a path of names; one below the outermost names is held in memory as a whole."""
    name, _, rest = records.partition(".")
    number = 0
    for record in read_json_items(path):
        if isinstance(record, BadRecord):
            number += 1
            yield BadRecord(number, record.field, record.reason)
            continue
        if record.group != name:
            continue
        for value in [record.value] if record.index is not None else _inner(path, record, records, rest):
            number += 1
            yield Record(number, value)
    if not number:
        raise WrongFormat(path, f"there is no list under the name {records[:40]!r}", _ADVICE)


def _inner(path: Path, record: Record, records: str, rest: str) -> list[object]:
    found = value_at(record.value, rest) if rest else record.value
    if not isinstance(found, list):
        what = "nothing" if found is MISSING else kind_of(found)
        raise WrongFormat(path, f"expected a list under the name {records[:40]!r}, found {what}", _ADVICE)
    return found
