"""Tables: their rows, and what is left of them where quotes are broken."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import chain, islice, repeat
from pathlib import Path

import pytest

from madsafe_web.core.textio import MAX_ITEM, BadRecord, OtherShape, Record, csvrows, read_csv
from tests.core.test_textio import file, values


def test_csv_cells_may_hold_line_breaks_and_commas(tmp_path: Path) -> None:
    rows = list(read_csv(file(tmp_path, 'a,b\r\n"x\ny, z",2\r\n')))
    assert rows == [Record(1, {"a": "x\ny, z", "b": "2"})]


def test_a_tab_separated_table_is_read(tmp_path: Path) -> None:
    assert values(read_csv(file(tmp_path, "a\tb\n1\t2,3\n"))) == [{"a": "1", "b": "2,3"}]


def test_bad_csv_rows_are_reported_and_passed_over(tmp_path: Path) -> None:
    rows = list(read_csv(file(tmp_path, 'a,b\n1,2,3\n"x"y,2\n1,\0\n\n5,6\n')))
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert rows[0] == BadRecord(1, "", "has 3 cells, expected 2", '{"a": "1", "b": "2", "_more": ["3"]}')
    assert rows[2] == BadRecord(3, "b", "contains a NUL character", '{"a": "1", "b": "\ufffd"}')
    assert rows[3] == Record(4, {"a": "5", "b": "6"})


UNCLOSED = [
    ('a,b\n1,2\n"3,4\n5,6\n', [False, True]),  # to the end of the file
    ('a,b\n1,2\n3,"4\n5,6\n7,"8"\n9,10\n', [False, True, True, True]),  # to the next quote
    ('"a","b"\n"1","2"\n"3","4\n"5","6"\n"7","8"\n', [False, True, True]),  # every cell in quotes
    ("a,b\n1,2\n" + '3,"4\n5,""\n' * 3, [False, True] * 3),  # again and again
    ('a,b\n1,2\n3,"4', [False]),  # in the last line
]


@pytest.mark.parametrize(("content", "good"), UNCLOSED)
def test_a_quote_that_never_closes_rejects_its_row_alone(tmp_path: Path, content: str, good: list[bool]) -> None:
    rows = list(read_csv(file(tmp_path, content)))
    assert [row.number for row in rows] == list(range(1, len(good) + 2))
    assert [isinstance(row, Record) for row in rows] == [True, *good]


def test_a_broken_row_is_kept_as_far_as_its_cells_can_be_told(tmp_path: Path) -> None:
    rows = list(read_csv(file(tmp_path, 'a,b\n1,"2 \r\n3,4\r\n"x"y,2\n')))
    assert rows == [
        BadRecord(1, "", "opens a quote that does not close", '{"a": "1", "b": "2 ", "_raw": "1,\\"2 "}'),
        Record(2, {"a": "3", "b": "4"}, warning="may go on from a row before it whose quotes are broken"),
        BadRecord(3, "", rows[2].reason, '{"a": "xy", "b": "2", "_raw": "\\"x\\"y,2"}'),  # type: ignore[union-attr]
    ]


TAKEN = [
    ('a,b\n1,2\n"broken, goes\non here, with two\n3,4\n', [1, 2]),  # to the end of the file
    ('a\none\n"broken\nand on\nand "on"\nand on\n', [1, 2]),  # one column: up to what is no row
    ('a,b\n1,"2\n3,4\n5,"6"\n7,8\n', [0, 1]),  # to the next quote
]


@pytest.mark.parametrize(("content", "doubted"), TAKEN)
def test_rows_among_the_lines_that_a_broken_one_took_are_told_apart(
    tmp_path: Path, content: str, doubted: list[int]
) -> None:
    rows = [row for row in read_csv(file(tmp_path, content)) if isinstance(row, Record)]
    assert [place for place, row in enumerate(rows) if row.warning] == doubted


def test_a_carriage_return_in_a_cell_rejects_its_row_alone(tmp_path: Path) -> None:
    rows = list(read_csv(file(tmp_path, "a,b\n1,2\nx\ry,z\n3,4\n")))
    assert [isinstance(row, Record) for row in rows] == [True, False, True]
    assert isinstance(rows[1], BadRecord) and rows[1].raw == '{"_raw": "x\\ry,z"}'


def test_the_rest_of_a_broken_row_makes_no_row(tmp_path: Path) -> None:
    rows = list(read_csv(file(tmp_path, 'a,b\n"one "two" three\nfour",2\n5,6\n7"8,9\n')))
    assert [(row.number, type(row)) for row in rows] == [(1, BadRecord), (2, BadRecord), (3, Record), (4, Record)]
    assert "go on" in values(iter(rows))[1]


def test_a_cell_may_go_on_over_many_lines(tmp_path: Path) -> None:
    cell = "\n".join('line ""quoted""' for _ in range(5000))
    rows = list(read_csv(file(tmp_path, f'a,b\n1,"{cell}"\n2,3\n')))
    assert [len(row.value["b"]) for row in rows if isinstance(row, Record)] == [len(cell) - 2 * 5000, 1]


def test_a_quote_that_stays_open_over_more_than_a_row_may_have_loses_no_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w") as out:
        out.write('a,b\n1,"2\n')
        for _ in range(1000):
            out.write(("3," + "x" * 97 + "\n") * 200)
    tracemalloc.start()
    kinds = Counter(type(row) for row in read_csv(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kinds == {BadRecord: 1, Record: 200_000}
    assert peak < 6 * MAX_ITEM


def test_a_row_that_never_ends_is_given_up_where_it_is_larger_than_a_row_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = chain(["a,b\n"], repeat('x","y\n'))  # each line closes a cell and opens the next
    monkeypatch.setattr(csvrows, "MAX_ITEM", 10_000)
    monkeypatch.setattr(csvrows, "open_text", lambda path: endless)
    rows = list(islice(read_csv(tmp_path), 500))
    assert {type(row) for row in rows} == {BadRecord}


def test_lines_that_a_broken_row_took_begin_no_other_such_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvrows, "MAX_ITEM", 10_000)  # characters: 140 lines
    rows = list(read_csv(file(tmp_path, "a,b\n" + 'x","y\n3,4\n' * 1000)))
    assert Counter(type(row) for row in rows) == {BadRecord: 1000, Record: 1000}
    opened = [row for row in rows if isinstance(row, BadRecord) and "opens a quote" in row.reason]
    assert len(opened) < 2000 / 100  # else reading took the square of its lines


@pytest.mark.parametrize(("content", "problem"), [("", "no header"), ("a,a\n1,2\n", "same name twice")])
def test_a_table_needs_a_header_with_different_names(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(OtherShape, match=problem):
        list(read_csv(file(tmp_path, content)))


def test_a_cell_over_the_cap_rejects_its_row(tmp_path: Path) -> None:
    content = b"a,b\n1," + b"x" * (MAX_ITEM + 10) + b"\n3,4\n"
    assert values(read_csv(file(tmp_path, content))) == ["is larger than 16 MB", {"a": "3", "b": "4"}]
