"""Rows of a file of no known format: JSONL, JSON in any shape, CSV with or without names, Parquet, a prompt a line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice

from annotation.importers._columns import MISSING, ColumnMap, columns_of, value_at
from annotation.importers.base import WrongFormat, kind_of
from madsafe_web.core.textio import (
    GROUP,
    BadRecord,
    Record,
    Source,
    file_layout,
    kept_raw,
    open_text,
    read_any,
    read_csv,
    read_json_items,
)
from madsafe_web.core.textio.decoding import OVERSIZE, text_lines
from madsafe_web.core.textio.records import TOO_LARGE, text_defect

_ADVICE = "Correct the mapping, or give the name of the list that holds the rows"


def is_table(source: Source) -> bool:
    """True for CSV and plain text, whose columns may have no names. Reads one chunk."""
    return file_layout(source) == "csv"


def table(source: Source, columns: ColumnMap) -> Iterator[Record | BadRecord]:
    """Rows as objects by the names of their columns, "@group" among them where the row is in an array with a name.

    Raises WrongFormat where the list that the mapping names is not there, and BadFile as the readers do.
    """
    if columns.lines:
        yield from _lines(source)
    elif columns.records:
        yield from map(_named, _under(source, columns.records))
    elif columns.header is False and is_table(source):
        yield from read_csv(source, [str(number) for number in range(1, _width(source) + 1)])
    else:
        yield from map(_named, read_any(source))


def head_cells(source: Source, most: int) -> list[list[str]]:
    """Cells of the first lines that are not blank; [] where they are not CSV."""
    lines = list(islice((line + "\n" for line in text_lines(open_text(source)) if line.strip()), most))
    delimiter = "\t" if lines and "\t" in lines[0] and "," not in lines[0] else ","
    try:
        return [cells for cells in csv.reader(lines, delimiter=delimiter) if cells]
    except csv.Error:
        return []


def _named(record: Record | BadRecord) -> Record | BadRecord:
    if isinstance(record, BadRecord):
        return record
    value = columns_of(record.value)
    if record.group and GROUP not in value:
        value = {**value, GROUP: record.group}
    return Record(record.number, value, record.group, record.index, record.warning)


def _lines(source: Source) -> Iterator[Record | BadRecord]:
    for number, line in enumerate(text_lines(open_text(source)), 1):
        text = line.removesuffix("\r")
        if not text.strip("\ufeff"):
            continue
        reason = TOO_LARGE if line is OVERSIZE else text_defect(text)
        yield BadRecord(number, "1", reason, kept_raw(text)) if reason else Record(number, {"1": text})


def _width(source: Source) -> int:
    """How many cells the first row has; a cell may go on over some lines."""
    cells = head_cells(source, 20)
    return len(cells[0]) if cells else 1


def _under(source: Source, records: str) -> Iterator[Record | BadRecord]:
    """The rows of the list under a path of names; one below the outermost names is held in memory as a whole."""
    name, _, rest = records.partition(".")
    number = 0
    for record in read_json_items(source):
        if isinstance(record, BadRecord):
            number += 1
            yield BadRecord(number, record.field, record.reason, record.raw)
            continue
        if record.group != name:
            continue
        for value in [record.value] if record.index is not None else _inner(source, record, records, rest):
            number += 1
            yield Record(number, value)
    if not number:
        raise WrongFormat(source, f"there is no list under the name {records[:40]!r}", _ADVICE)


def _inner(source: Source, record: Record, records: str, rest: str) -> list[object]:
    found = value_at(record.value, rest) if rest else record.value
    if not isinstance(found, list):
        what = "nothing" if found is MISSING else kind_of(found)
        raise WrongFormat(source, f"expected a list under the name {records[:40]!r}, found {what}", _ADVICE)
    return found
