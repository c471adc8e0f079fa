"""Rows of CSV files; a row whose quotes are broken does not take the rest of the file with it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from madsafe_web.core.textio.decoding import OVERSIZE, open_text, text_lines
from madsafe_web.core.textio.records import (
    MAX_ITEM,
    TOO_LARGE,
    BadRecord,
    Named,
    OtherShape,
    Record,
    kept_raw,
    kept_value,
    text_defect,
)
from madsafe_web.core.textio.sources import Source

_UNCLOSED = "opens a quote that does not close"
_CONTINUED = "seems to go on from a row whose quotes are broken"
_IN_DOUBT = "may go on from a row before it whose quotes are broken"
_LINE = 64  # characters that a line counts in its row beside its own: about what its object takes
_CELL = r'(?:"(?:[^"]|"")*+"|[^"{0}]*+)'
_OPEN = r'"(?:[^"]|"")*+'
# Whole cells, then perhaps one that goes on in the next line: in a good row a quote stands at the ends of a cell alone.
_BEGINS = {
    mark: re.compile(rf"(?:{cell}{mark})*+(?:{cell}|{_OPEN})\r?\n?")
    for mark, cell in ((",", _CELL.format(",")), ("\t", _CELL.format("\t")))
}


@dataclass(frozen=True, slots=True)
class _Broken:
    """A line that is no row, or begins one whose quotes are broken."""

    line: str
    reason: str


def read_csv(path: Source, columns: Sequence[str] = ()) -> Iterator[Record | BadRecord]:
    """Rows below the header as {column: cell}, cells unchanged; tab-separated when the first line has only tabs.

    `columns` names the cells of a file without a header; should one stand there after all (the same names, case
    aside), it is passed over. A row with another number of cells, bad quotes or unusable text is a BadRecord: of one
    that opens a quote and does not close it that is its first line, and reading goes on at the next.
    Raises BadFile for an empty file, or a header with a name twice.
    """
    csv.field_size_limit(MAX_ITEM)
    table = _Table(line + "\n" for line in text_lines(open_text(path)))
    header = list(columns) or _header(path, table.reader)
    number = 0
    for row in table.rows(len(header)):
        if isinstance(row, _Broken):
            number += 1
            yield BadRecord(number, "", row.reason, _kept_line(header, row.line, table.mark))
        elif row and not (columns and not number and _is_header(row, header)):
            number += 1
            yield _csv_row(number, header, row, _IN_DOUBT if table.in_doubt else "")


class _Table:
    """The lines of a table as lists of cells; those of a row that turns out to be broken are read once more."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: list[str] = []  # lines to be read once more, the next one last
        self._taken: list[str] = []  # lines of the row that is read now
        self._size = 0  # of them
        self.in_doubt = False  # whether the row may be a part of a broken one before it
        first = self._peek()
        self.mark = "\t" if "\t" in first and "," not in first else ","
        self.reader = csv.reader(self, delimiter=self.mark, strict=True)

    def __iter__(self) -> _Table:
        return self

    def __next__(self) -> str:
        """The next line of the row. Goes on after its end where lines came back since. Raises csv.Error for a row of
        many lines that grows larger than one may be.
        """
        line = self._again.pop() if self._again else next(self._lines)
        self._taken.append(line)
        self._size += len(line) + _LINE
        if self._size > MAX_ITEM and len(self._taken) > 1:
            raise csv.Error(TOO_LARGE)
        return line

    def rows(self, width: int) -> Iterator[list[str] | _Broken]:
        """What is left of the table. After a broken row a line counts as a row only where its quotes are those of one,
        until one with as many cells as the header comes, and all lines are read once more that were taken for its own.
        """
        while True:
            self._taken.clear()
            self._size = 0
            if self.in_doubt and not _BEGINS[self.mark].fullmatch(self._peek()):
                yield _Broken(self._again.pop(), _CONTINUED)
                continue
            try:
                cells = next(self.reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield self._broken(str(error))
                self.in_doubt = True
            else:
                yield cells
                self.in_doubt = self.in_doubt and (len(cells) != width or bool(self._again))

    def _broken(self, problem: str) -> _Broken:
        first, *rest = self._taken
        self._again += reversed(rest)
        unclosed = bool(rest) or "unexpected end" in problem
        return _Broken(first, _UNCLOSED if unclosed else f"is not valid CSV: {problem}")

    def _peek(self) -> str:
        if not self._again:
            self._again.extend(islice(self._lines, 1))
        return self._again[-1] if self._again else ""


def _is_header(cells: list[str], columns: list[str]) -> bool:
    return [cell.strip().casefold() for cell in cells] == [name.casefold() for name in columns]


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


def _csv_row(number: int, header: list[str], cells: list[str], warning: str) -> Record | BadRecord:
    row = "".join(cells)
    if OVERSIZE in row:
        return BadRecord(number, "", TOO_LARGE)
    if reason := text_defect(row):
        field = next((name for name, cell in zip(header, cells, strict=False) if text_defect(cell)), "")
        return BadRecord(number, field, reason, _kept_cells(header, cells))
    if len(cells) != len(header):
        return BadRecord(number, "", f"has {len(cells)} cells, expected {len(header)}", _kept_cells(header, cells))
    return Record(number, dict(zip(header, cells, strict=True)), warning=warning)


def _kept_line(header: list[str], line: str, mark: str) -> str:
    """A broken row as a JSON object: its cells as far as they can be told, and the line as it stands in the file."""
    line = line.rstrip("\r\n")
    try:
        cells = next(csv.reader([line], delimiter=mark), [])
    except csv.Error:  # a carriage return in it, or a cell over the cap
        cells = []
    return kept_value({**_named(header, cells), "_raw": kept_raw(line)})


def _kept_cells(header: list[str], cells: list[str]) -> str:
    return kept_value(_named(header, cells))


def _named(header: list[str], cells: list[str]) -> dict[str, object]:
    """Cells by the names of their columns, those that have none in a list under `_more`."""
    kept = [kept_raw(cell) for cell in cells]
    row: dict[str, object] = dict(zip(header, kept, strict=False))
    return {**row, "_more": kept[len(header) :]} if len(kept) > len(header) else row
