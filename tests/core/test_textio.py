"""Reading and writing data files."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from madsafe_web.core.textio import (
    MAX_ITEM,
    BadFile,
    BadRecord,
    OtherShape,
    Record,
    atomic_write,
    file_shape,
    read_json_items,
    read_jsonl,
    read_rows,
    sha256_file,
    sources,
    write_jsonl,
)

LINES = '{"prompt": "安全问题一"}\n{"prompt": "安全问题二"}\n'


def file(tmp_path: Path, content: bytes | str, name: str = "rows.json") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def values(records: Iterator[Record | BadRecord]) -> list[Any]:
    return [record.value if isinstance(record, Record) else record.reason for record in records]


# JSONL


def test_a_bad_line_is_reported_with_its_number_and_the_rest_is_read(tmp_path: Path) -> None:
    rows = list(read_jsonl(file(tmp_path, '{"a": 1}\n\n{"a": \r\n{"a": 2}')))
    assert [(row.number, type(row)) for row in rows] == [(1, Record), (3, BadRecord), (4, Record)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"a": NaN}', "not valid JSON"),
        ('{"a": "\\ud800"}', "not valid JSON"),
        ('{"a": {"b": ["\\u0000"]}}', "NUL"),
        ("[" * 10_000 + "]" * 10_000, "not valid JSON"),
    ],
)
def test_rows_that_cannot_be_stored_are_rejected_in_jsonl(tmp_path: Path, row: str, reason: str) -> None:
    bad, good = read_jsonl(file(tmp_path, f"{row}\n{LINES}".split("\n")[0] + '\n{"a": 1}'))
    assert isinstance(bad, BadRecord)
    assert reason in bad.reason
    assert isinstance(good, Record)


def test_a_nul_is_reported_under_its_field(tmp_path: Path) -> None:
    line = '{"ok": "\\\\u0000", "a": "\\u0000"}'
    assert next(read_jsonl(file(tmp_path, line))) == BadRecord(1, "a", "contains a NUL character", line)


def test_an_escaped_backslash_before_u0000_is_no_nul(tmp_path: Path) -> None:
    assert values(read_jsonl(file(tmp_path, '{"a": "\\\\u0000"}'))) == [{"a": "\\u0000"}]


def test_large_integers_are_read_exactly_in_jsonl(tmp_path: Path) -> None:
    rows = [{"id": 123456789012345678901}, {"id": [-9223372036854775809]}, {"id": 18446744073709551615}, {"id": 1e30}]
    assert values(read_jsonl(file(tmp_path, "\n".join(map(json.dumps, rows))))) == rows


@pytest.mark.parametrize("digits", [400, 5000])
def test_an_integer_of_too_many_digits_rejects_its_line_alone(tmp_path: Path, digits: int) -> None:
    first, bad, last = read_jsonl(file(tmp_path, f'{{"id": 1}}\n{{"id": {"1" * digits}}}\n{{"id": 3}}\n'))
    assert isinstance(bad, BadRecord) and bad.number == 2
    assert values(iter([first, last])) == [{"id": 1}, {"id": 3}]


def test_a_large_integer_in_deep_nesting_never_ends_the_reading(tmp_path: Path) -> None:
    deep = "[" * 1010 + "1" * 20 + "]" * 1010
    first, _, last = read_jsonl(file(tmp_path, f'{{"id": 1}}\n{deep}\n{{"id": 3}}\n'))
    assert values(iter([first, last])) == [{"id": 1}, {"id": 3}]


def test_a_line_separator_inside_a_text_does_not_split_the_row(tmp_path: Path) -> None:
    assert values(read_jsonl(file(tmp_path, '{"a": "x\u2028y"}\n'))) == [{"a": "x\u2028y"}]


def test_one_huge_line_is_rejected_by_number_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as out:
        out.write(b'{"a": 1}\n')
        for _ in range(40):
            out.write(b"x" * (1 << 20))
        out.write(b'\n{"a": 2}\n')
    tracemalloc.start()
    rows = list(read_jsonl(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == [Record(1, {"a": 1}), BadRecord(2, "", "is larger than 16 MB"), Record(3, {"a": 2})]
    assert peak < 3 * MAX_ITEM


def test_a_json_document_is_not_taken_for_jsonl(tmp_path: Path) -> None:
    with pytest.raises(OtherShape, match="one JSON document over many lines"):
        list(read_jsonl(file(tmp_path, json.dumps([{"a": 1}], indent=1))))


# JSON documents


def test_items_of_an_array_come_with_number_and_index(tmp_path: Path) -> None:
    assert list(read_json_items(file(tmp_path, ' [ {"a": 1} ,\n 2 ] '))) == [
        Record(1, {"a": 1}, "", 0),
        Record(2, 2, "", 1),
    ]


def test_items_of_an_object_of_arrays_come_with_their_group(tmp_path: Path) -> None:
    assert list(read_json_items(file(tmp_path, '{"x": [1, 2], "y": [], "z": {"a": 3}}'))) == [
        Record(1, 1, "x", 0),
        Record(2, 2, "x", 1),
        Record(3, {"a": 3}, "z"),
    ]


@pytest.mark.parametrize("content", ["[]", "{}", ' {"a": []} '])
def test_an_empty_document_has_no_items(tmp_path: Path, content: str) -> None:
    assert list(read_json_items(file(tmp_path, content))) == []


def test_every_place_of_the_chunk_border_gives_the_same_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"x": [{"q": '引"号\\', "n": -12.5e3}, True, None], "y": ["\u2028", 1234567]}
    path = file(tmp_path, json.dumps(document, ensure_ascii=False))
    expected = list(read_json_items(path))
    for size in range(1, 60):
        monkeypatch.setattr(sources, "CHUNK", size)
        assert list(read_json_items(path)) == expected, size


def test_a_cut_document_gives_its_rows_and_one_plain_error(tmp_path: Path) -> None:
    rows = read_json_items(file(tmp_path, '[{"a": 1},\n{"a": "some te'))
    assert next(rows) == Record(1, {"a": 1}, "", 0)
    with pytest.raises(BadFile) as caught:
        next(rows)
    assert str(caught.value) == (
        "rows.json, row 2 (line 2): the file ends in the middle of a row. "
        "It was probably cut off while being copied: fetch it again"
    )


def test_every_cut_of_a_document_is_a_bad_file(tmp_path: Path) -> None:
    whole = '{"x": [{"a": "b"}, 12], "y": [null]}'
    for end in range(len(whole)):
        with pytest.raises(BadFile):
            list(read_json_items(file(tmp_path, whole[:end])))


def test_broken_json_in_the_middle_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"row 2 \(line 2\): not valid JSON"):
        list(read_json_items(file(tmp_path, '[{"a": 1},\n{"a" 1, "some more text": 2},\n{"a": 3}]')))


@pytest.mark.parametrize(
    ("item", "field", "reason"),
    [
        ('{"a": "\\ud800"}', "a", "not text"),
        ('{"a": "\\u0000"}', "a", "NUL"),
        ('{"a": NaN}', "", "NaN"),
        ("[" * 5000 + '"]\\""' + "]" * 5000, "", "nested too deeply"),
    ],
)
def test_items_that_cannot_be_stored_are_rejected_alone(tmp_path: Path, item: str, field: str, reason: str) -> None:
    first, bad, last = read_json_items(file(tmp_path, f"[1, {item}, 3]"))
    assert isinstance(bad, BadRecord)
    assert (bad.number, bad.field, bad.raw) == (2, field, item)
    assert reason in bad.reason
    assert values(iter([first, last])) == [1, 3]


@pytest.mark.parametrize("size", [3, 997, 1000, 5002, 5003, 5004, 5005, 5006])
def test_a_skipped_item_ends_where_it_ends_at_any_chunk_border(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = file(tmp_path, "[1," + "[" * 5000 + '"]\\\\\\"]"' + "]" * 5000 + ", 3]")
    monkeypatch.setattr(sources, "CHUNK", size)
    first, bad, last = read_json_items(path)
    assert values(iter([first, bad, last])) == [1, "is nested too deeply", 3]
    assert isinstance(bad, BadRecord) and bad.raw == path.read_text()[3:-4]


@pytest.mark.parametrize("item", [f"-{'1' * 5000}", f'{{"n": [{"1" * 5000}]}}'])
def test_a_number_of_too_many_digits_rejects_its_item_alone_at_any_chunk_border(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, item: str
) -> None:
    path = file(tmp_path, f"[1, {item}, 3]")
    for size in (7, 4999, 1 << 20):
        monkeypatch.setattr(sources, "CHUNK", size)
        assert values(read_json_items(path)) == [1, "contains a number with too many digits", 3]


def test_an_item_over_the_cap_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    with path.open("wb") as out:
        out.write(b'[1, {"a": ["\\"]}')
        for _ in range(24):
            out.write(b"x\\\\" * (1 << 18) + b'\\"')
        out.write(b'"]}, 3]')
    assert values(read_json_items(path)) == [1, "is larger than 16 MB", 3]


@pytest.mark.parametrize(("content", "problem"), [("ID,a\n1,2\n", "does not begin"), ("[1]\n[2]\n", "more text")])
def test_another_shape_than_one_document_says_so(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(OtherShape, match=problem):
        list(read_json_items(file(tmp_path, content)))


@pytest.mark.parametrize(
    ("content", "shape"),
    [
        (LINES, "jsonl"),
        ('{"a": "x"}', "jsonl"),
        ('{"a": {}, "b": []}\n{"a": {}, "b": []}\n', "jsonl"),
        ('{"a": \n', "json"),
        ('{"a": [{"b": "c"}]}', "json"),
        ('[{"b": "c"}]', "json"),
        ('{"broken}\n{"a": 1}', "jsonl"),
        ('{"a": []}\nnull\n', "jsonl"),
    ],
)
def test_the_shape_of_a_file_is_seen_at_its_beginning(tmp_path: Path, content: str, shape: str) -> None:
    assert file_shape(file(tmp_path, content)) == shape


@pytest.mark.parametrize(("name", "shape"), [("a.jsonl", "jsonl"), ("a.NDJSON.gz", "jsonl"), ("a.json", "json")])
def test_one_line_that_may_be_either_is_what_its_name_says(tmp_path: Path, name: str, shape: str) -> None:
    assert file_shape(file(tmp_path, '{"turns": [{"value": "c"}]}\n', name)) == shape


def test_rows_are_read_from_either_shape(tmp_path: Path) -> None:
    as_lines, as_array = file(tmp_path, '{"a": 1}\n{"a": 2}\n'), file(tmp_path, '[{"a": 1}, {"a": 2}]', "b.json")
    assert values(read_rows(as_lines)) == values(read_rows(as_array)) == [{"a": 1}, {"a": 2}]


# Writing


def test_written_rows_come_back_with_count_and_hash(tmp_path: Path) -> None:
    path, rows = tmp_path / "out.jsonl", [{"text": "安全"}, {"text": "\u2028"}]
    assert write_jsonl(path, iter(rows)) == (2, sha256_file(path))
    assert values(read_jsonl(path)) == rows


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = file(tmp_path, "old")
    with pytest.raises(TypeError):
        write_jsonl(path, [{"fine": 1}, {"not": object()}])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with atomic_write(path) as out:
        out.write(b"text")
        assert not path.exists()
    assert path.read_bytes() == b"text"


def test_the_hash_is_that_of_the_bytes_on_disk(tmp_path: Path) -> None:
    assert sha256_file(file(tmp_path, "abc")) == hashlib.sha256(b"abc").hexdigest()
