"""Parquet, plain and packed."""

from __future__ import annotations

import datetime
import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from madsafe_web.core.textio import (
    BadFile,
    BadRecord,
    OtherShape,
    Record,
    data_members,
    file_layout,
    parquet,
    read_any,
    read_parquet,
    sources,
)


def table(path: Path, columns: dict[str, list[Any]], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def values(path: Path) -> list[Any]:
    return [row.value if isinstance(row, Record) else row.reason for row in read_parquet(path)]


def test_rows_come_by_the_names_of_their_columns(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", {"q": ["甲", None], "choices": [["a", "b"], []], "n": [1, 2]})
    assert list(read_parquet(path)) == [
        Record(1, {"q": "甲", "choices": ["a", "b"], "n": 1}),
        Record(2, {"q": None, "choices": [], "n": 2}),
    ]


def test_other_values_come_as_json_has_them(tmp_path: Path) -> None:
    day = datetime.date(2024, 5, 6)
    columns = {"f": [0.5, float("nan")], "d": [day, None], "b": [b"text", b"\xff"], "s": [{"x": [1]}, None]}
    first, second = read_parquet(table(tmp_path / "a.parquet", columns))
    assert first == Record(1, {"f": 0.5, "d": "2024-05-06", "b": "text", "s": {"x": [1]}})
    assert isinstance(second, BadRecord) and second.field == "b"
    assert json.loads(second.raw)["b"]


def test_a_row_that_no_database_stores_is_rejected_alone(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", {"q": ["one", "a\0b", "three"]})
    assert values(path) == [{"q": "one"}, "contains a NUL character", {"q": "three"}]


def test_a_row_over_the_cap_is_rejected_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_ITEM", 10)
    path = table(tmp_path / "a.parquet", {"q": ["one", "x" * 11, "three"]})
    assert values(path) == [{"q": "one"}, "is larger than 16 MB", {"q": "three"}]


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "a.parquet", {"q": [str(n) for n in range(25)]}, row_group_size=7)
    monkeypatch.setattr(parquet, "_MOST_ROWS", 3)
    assert [row.number for row in read_parquet(path)] == list(range(1, 26))


def test_a_packed_parquet_file_is_read(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", {"q": ["one"]})
    packed = tmp_path / "a.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(path, "data/a.parquet")
        archive.writestr("data/b.jsonl", '{"q": "two"}\n')
    assert values(packed) == [{"q": "one"}]
    members, _ = data_members(tmp_path / "two.zip")
    assert [row.value for one in members for row in read_any(one) if isinstance(row, Record)] == [
        {"q": "one"},
        {"q": "two"},
    ]


def test_the_layout_is_seen_in_the_content_whatever_the_name(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", {"q": ["one"]})
    texts = {"json": "[\n{}]", "jsonl": '{"a": "b"}\n{"a": "c"}', "csv": "a,b\n1,2\n"}
    for layout, text in texts.items():
        (tmp_path / layout).write_text(text)
        assert file_layout(tmp_path / layout) == layout
    assert file_layout(path) == "parquet"


def test_a_file_that_is_no_parquet_or_cut_off_says_so(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", {"q": ["one"]})
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadFile, match="damaged"):
        values(cut)
    (tmp_path / "b.parquet").write_text("words")
    with pytest.raises(OtherShape, match="no Parquet"):
        values(tmp_path / "b.parquet")


def test_more_unpacked_bytes_than_the_cap_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "a.parquet", {"q": [str(n) * 50 for n in range(1000)]})
    monkeypatch.setattr(sources, "MAX_TOTAL", 1000)
    with pytest.raises(BadFile, match="unpacks to more than"):
        values(path)
