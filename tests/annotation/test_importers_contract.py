"""What holds for every importer of the registry, on rows of its own shape."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from annotation.feeding import count
from annotation.importers.base import ImportedRow, Importer, ImportOptions, RejectedRow
from madsafe_web.core.registry import plugins
from madsafe_web.core.textio import GROUP, INDEX, MAX_ITEM, BadFile, kept_raw

IMPORTERS: dict[str, Importer] = plugins("annotation.importers", "IMPORTER")
TEXT = " \n\n文本，ＡＢＣ\u200b 'quoted' n\n"
_ABCD = {"A": "一", "B": "二", "C": "三", "D": "四"}
# format → the field of the prompt, the other fields of a row
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "alpaca": ("instruction", {"input": "", "output": "a"}),
    "ceval": ("question", {"id": 1, **_ABCD, "answer": "A"}),
    "chinese_safetyqa": (
        "question",
        {"cate": "a-b-c", "standard_answer": "x", "options": "{'A': 'x', 'B': 'y'}", "correct_answer": "A"},
    ),
    "cmmlu": ("Question", {"": "1", **_ABCD, "Answer": "A"}),
    "cold": ("TEXT", {"": "1", "split": "dev", "topic": "race", "label": "0"}),
    "cvalues_comparison": ("prompt", {"pos_resp": "a", "neg_resp": "b", "pos_type": "c", "neg_type": "d"}),
    "cvalues_responsibility": ("prompt", {"id_": 1, "domain_en": "law", "domain_zh": "法"}),
    "do_not_answer": ("question", {"id": "1", "risk_area": "a", "types_of_harm": "b", "specific_harms": "c"}),
    "generic": ("prompt", {"response": "a", "topic": "t"}),
    "gsm8k": ("question", {"answer": "one #### 1"}),
    "humaneval": ("prompt", {"task_id": "T/1", "entry_point": "f", "canonical_solution": "s", "test": "t"}),
    "jade": ("问题", {"ID": "1", "违规类型": "甲", "违规子类": "乙"}),
    "mmlu": ("question", {**_ABCD, "answer": "A"}),
    "s_eval": ("prompt", {"traceid": "t", "risk_type": "r", "ext": "{}"}),
    "safety_prompts": ("prompt", {"response": "a", "type": "Insult"}),
    "safetybench": ("question", {"id": 1, "category": "Mental Health", "options": ["a", "b"], "answer": 0}),
    "xstest": ("prompt", {"id": "1", "type": "t", "label": "safe", "focus": "f", "note": ""}),
}
CHAT = ("hf_dataset", "sharegpt")


def rows_of(importer: str, *texts: object) -> list[Any]:
    if importer in CHAT:
        answer = {"from": "gpt", "value": "a"}
        return [{"conversations": [{"from": "human", "value": text}, answer]} for text in texts]
    field, others = SHAPES[importer]
    return [{**others, field: text} for text in texts]


def content_of(importer: str, rows: list[Any]) -> str:
    if importer == "safety_prompts":
        return json.dumps({"Insult": rows}, ensure_ascii=False)
    if importer == "safetybench":
        return json.dumps(rows, ensure_ascii=False)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def made(tmp_path: Path, importer: str, rows: list[Any]) -> Path:
    """A folder for the format that reads folders, a file for the others."""
    (tmp_path / "set").mkdir()
    path = tmp_path / "set" / "rows"
    path.write_text(content_of(importer, rows), encoding="utf-8")
    return path.parent if importer == "hf_dataset" else path


def read(importer: str, path: Path) -> list[tuple[int, ImportedRow | RejectedRow]]:
    return list(IMPORTERS[importer].read(path, ImportOptions()))


def test_every_format_of_the_issue_exists_and_has_a_shape_here() -> None:
    assert set(IMPORTERS) == {*SHAPES, *CHAT}


def test_every_format_is_described() -> None:
    described = (Path(__file__).resolve().parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    for importer in IMPORTERS.values():
        (line,) = [line for line in described.splitlines() if line.startswith(f"| `{importer.name}` |")]
        assert f"| {importer.default_role} |" in line
        assert importer.licence in line


@pytest.mark.parametrize("importer", sorted(IMPORTERS))
def test_texts_come_unchanged_and_rows_are_numbered(tmp_path: Path, importer: str) -> None:
    found = read(importer, made(tmp_path, importer, rows_of(importer, TEXT, "b", "c")))
    assert [number for number, _ in found] == [1, 2, 3]
    assert [row.text for _, row in found if isinstance(row, ImportedRow)] == [TEXT, "b", "c"]


@pytest.mark.parametrize("importer", sorted(IMPORTERS))
@pytest.mark.parametrize("bad", [None, 7, " \ufeff", ["a"]])
def test_a_row_without_a_text_is_rejected_and_kept(tmp_path: Path, importer: str, bad: object) -> None:
    rows = rows_of(importer, "a", bad, "c")
    (_, first), (number, row), (_, last) = read(importer, made(tmp_path, importer, rows))
    assert isinstance(first, ImportedRow) and isinstance(last, ImportedRow)
    assert isinstance(row, RejectedRow)
    assert (number, row.number) == (2, 2)
    assert row.field and row.reason
    assert json.loads(row.raw) == rows[1] | ({GROUP: "Insult", INDEX: 1} if importer == "safety_prompts" else {})


@pytest.mark.parametrize("importer", sorted(IMPORTERS))
@pytest.mark.parametrize("bad", [None, 7, "words", ["a"], {}])
def test_a_row_of_another_shape_is_rejected_alone(tmp_path: Path, importer: str, bad: object) -> None:
    rows = [*rows_of(importer, "a"), bad, *rows_of(importer, "c")]
    found = read(importer, made(tmp_path, importer, rows))
    assert [type(row) for _, row in found] == [ImportedRow, RejectedRow, ImportedRow]


@pytest.mark.parametrize("importer", sorted(IMPORTERS))
def test_rows_are_counted_as_they_are_read(tmp_path: Path, importer: str) -> None:
    path = made(tmp_path, importer, [*rows_of(importer, "a", None, "a"), 7])
    assert count(IMPORTERS[importer], path, ImportOptions()) == len(read(importer, path)) == 4


@pytest.mark.parametrize("importer", sorted(set(IMPORTERS) - {"hf_dataset"}))
def test_packed_files_give_the_same_rows(tmp_path: Path, importer: str) -> None:
    path = made(tmp_path, importer, rows_of(importer, TEXT, "b"))
    expected = read(importer, path)
    (tmp_path / "packed").mkdir()
    packed, archive = tmp_path / "packed" / "rows", tmp_path / "packed" / "rows.zip"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with zipfile.ZipFile(archive, "w") as target:
        target.write(path, "rows")
        target.writestr("__MACOSX/._rows", b"\0\1junk")
    assert [read(importer, packed), read(importer, archive)] == [expected, expected]


@pytest.mark.parametrize("importer", sorted(IMPORTERS))
def test_rows_are_read_one_after_the_other(tmp_path: Path, importer: str) -> None:
    rows = rows_of(importer, *(f"text {number}" for number in range(60)))
    path = made(tmp_path, importer, rows)
    source = path / "rows" if path.is_dir() else path
    source.write_text(source.read_text(encoding="utf-8")[:-9], encoding="utf-8")  # it breaks off at its end
    found: Iterator[Any] = IMPORTERS[importer].read(path, ImportOptions())
    assert [next(found)[0] for _ in range(50)] == list(range(1, 51))


@pytest.mark.parametrize("importer", sorted(IMPORTERS))
def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path, importer: str) -> None:
    with pytest.raises((OSError, BadFile)):
        read(importer, tmp_path / "gone")


def test_a_long_row_is_kept_whole(tmp_path: Path) -> None:
    row = {"instruction": None, "input": "x" * 700_000, "output": "a"}
    path = made(tmp_path, "alpaca", [*rows_of("alpaca", "a"), row])
    (_, bad) = read("alpaca", path)[1]
    assert isinstance(bad, RejectedRow) and json.loads(bad.raw) == row


def test_what_is_larger_than_a_row_may_be_is_not_kept() -> None:
    assert kept_raw("x" * (MAX_ITEM + 1)) == ""
    assert kept_raw("a\0b") == "a\ufffdb"
