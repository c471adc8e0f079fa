from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from annotation.importers._guessing import guess
from annotation.importers.base import ImportedRow, ImportOptions, RejectedRow, WrongFormat
from annotation.importers.generic import IMPORTER, read
from madsafe_web.core.runs.errors import ConfigError

ROWS = [{"q": "first", "a": "one"}, {"q": "second", "a": "two"}]
Q_AND_A = {"prompt": "q", "responses": [{"path": "a", "kind": "positive"}]}


def rows_of(path: Path, mapping: dict[str, Any] | None = None, split: str = "") -> list[ImportedRow | RejectedRow]:
    return [row for _, row in read(path, ImportOptions(mapping=mapping or {}, split=split))]


def texts(path: Path, mapping: dict[str, Any] | None = None) -> list[str]:
    return [row.text for row in rows_of(path, mapping) if isinstance(row, ImportedRow)]


def only(path: Path, mapping: dict[str, Any]) -> ImportedRow:
    (row,) = rows_of(path, mapping)
    assert isinstance(row, ImportedRow)
    return row


def refused(path: Path, mapping: dict[str, Any]) -> tuple[str, str]:
    row = rows_of(path, mapping)[-1]
    assert isinstance(row, RejectedRow)
    return row.field, row.reason


def written(folder: Path, text: str, name: str = "rows") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def lines(folder: Path, *values: Any) -> Path:
    return written(folder, "\n".join(json.dumps(value, ensure_ascii=False) for value in values))


@pytest.mark.parametrize(
    ("text", "mapping"),
    [
        ("\n".join(map(json.dumps, ROWS)), Q_AND_A),
        (json.dumps(ROWS, indent=1), Q_AND_A),
        (json.dumps({"some": ROWS}), Q_AND_A),
        (json.dumps({"version": 1, "data": ROWS}), {**Q_AND_A, "records": "data"}),
        (json.dumps({"set": {"inner": {"rows": ROWS}}}), {**Q_AND_A, "records": "set.inner.rows"}),
        (json.dumps([[row["q"], row["a"]] for row in ROWS]), {"prompt": 1, "responses": ["2"]}),
        ("q,a\nfirst,one\nsecond,two\n", Q_AND_A),
        ("q\ta\r\nfirst\tone\r\nsecond\ttwo\r\n", Q_AND_A),
        ("first,one\nsecond,two\n", {"prompt": "1", "responses": ["2"], "header": False}),
        ("first\tone\nsecond\ttwo\n", {"prompt": 1, "responses": [{"path": 2}], "header": False}),
    ],
)
def test_every_shape_of_a_file_gives_the_same_rows(text: str, mapping: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, text)
    assert texts(path, mapping) == ["first", "second"]
    assert [row.responses[0].text for row in rows_of(path, mapping) if isinstance(row, ImportedRow)] == ["one", "two"]


@pytest.mark.parametrize("text", ["first, and more\nsecond\n", '["first, and more", "second"]'])
def test_one_column_of_prompts_is_enough(text: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    assert texts(path) == ["first, and more", "second"]


def test_packed_files_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.gz"
    path.write_bytes(gzip.compress(b'{"q": "first"}\n'))
    assert texts(path, {"prompt": "q"}) == ["first"]


def test_a_path_goes_into_objects_lists_and_json_in_a_text(tmp_path: Path) -> None:
    inner = json.dumps({"messages": [{"content": "first"}, {"content": "one"}]})
    path = lines(tmp_path, {"id": 1, "data": {"raw": inner}})
    mapping = {"prompt": "data.raw.messages.0.content", "responses": [{"path": "data.raw.messages.1.content"}]}
    row = only(path, mapping)
    assert (row.text, row.responses[0].text) == ("first", "one")


def test_a_name_with_a_dot_in_it_is_a_column(tmp_path: Path) -> None:
    assert texts(lines(tmp_path, {"the.text": "first"}), {"prompt": "the.text"}) == ["first"]


def test_the_text_stays_as_it_came(tmp_path: Path) -> None:
    assert texts(lines(tmp_path, {"q": "\n\n Ａ first \u200b"}), {"prompt": "q"}) == ["\n\n Ａ first \u200b"]


def test_the_other_keys_of_a_mapping_have_their_places(tmp_path: Path) -> None:
    path = lines(tmp_path, {"q": "first", "topic": "some", "how": "none", "no": 7, "level": 3})
    mapping = {"prompt": "q", "scenario": "topic", "attack_type": "how", "source_id": "no", "keep": True}
    row = only(path, mapping)
    assert (row.scenario, row.attack_type, row.source_id) == ("some", "none", "7")
    assert row.payload == {"columns": {"level": 3}}


def test_the_name_of_the_array_can_be_the_scenario(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({"some": [{"q": "first"}], "other": [{"q": "second"}]}))
    found = rows_of(path, {"prompt": "q", "scenario": "@group"})
    assert [row.scenario for row in found if isinstance(row, ImportedRow)] == ["some", "other"]


def test_a_row_that_may_go_on_from_a_broken_one_says_so(tmp_path: Path) -> None:
    found = rows_of(written(tmp_path, 'q\nfirst\n"broken\nits end\n'), {"prompt": "q"}, split="train")
    told = [(row.payload["split"], row.warnings) for row in found if isinstance(row, ImportedRow)]
    assert told == [("train", ()), ("train", ("may go on from a row before it whose quotes are broken",))]


def test_the_split_is_kept_with_each_row(tmp_path: Path) -> None:
    (row,) = rows_of(lines(tmp_path, {"q": "first"}), {"prompt": "q"}, split="train")
    assert isinstance(row, ImportedRow) and row.payload["split"] == "train"


@pytest.mark.parametrize(
    ("value", "reason"), [(3, "is a number"), (None, "is null"), (" \n", "is empty"), (["x"], "is an array")]
)
def test_a_row_without_a_text_is_rejected_by_its_field(value: Any, reason: str, tmp_path: Path) -> None:
    field, why = refused(lines(tmp_path, {"q": "first"}, {"q": value}), {"prompt": "q"})
    assert field == "q" and why.startswith(reason)


def test_a_row_with_another_number_of_cells_is_rejected(tmp_path: Path) -> None:
    mapping = {"prompt": "1", "header": False}
    assert refused(written(tmp_path, "a,b\nc,d,e\n"), mapping) == ("", "has 3 cells, expected 2")


@pytest.mark.parametrize(
    ("row", "warning"),
    [({}, "a is missing"), ({"a": " "}, "a is empty"), ({"a": 3}, "a is a number, expected a text"), ({"a": []}, "")],
)
def test_a_row_without_a_response_is_imported_with_a_warning(row: dict[str, Any], warning: str, tmp_path: Path) -> None:
    found = only(lines(tmp_path, {"q": "first", **row}), {"prompt": "q", "responses": ["a"]})
    assert found.responses == () and (warning in found.warnings or not warning)


def test_a_list_of_responses_brings_each(tmp_path: Path) -> None:
    row = only(lines(tmp_path, {"q": "first", "a": ["one", "two"]}), {"prompt": "q", "responses": ["a"]})
    assert [one.text for one in row.responses] == ["one", "two"]


CHOICES: list[tuple[Any, Any]] = [
    (["yes", "no"], "B"),
    (["yes", "no"], 1),
    (["yes", "no"], "no"),
    ({"A": "yes", "B": "no"}, "b"),
    ('["yes", "no"]', "1"),
    ("{'A': 'yes', 'B': 'no'}", "B"),
]


@pytest.mark.parametrize(("options", "answer"), CHOICES)
def test_options_and_answer_come_in_many_forms(options: Any, answer: Any, tmp_path: Path) -> None:
    path = lines(tmp_path, {"q": "first", "o": options, "right": answer})
    row = only(path, {"prompt": "q", "options": "o", "answer": "right"})
    assert row.payload == {"options": ["yes", "no"], "answer": 1}


def test_each_option_may_have_a_column(tmp_path: Path) -> None:
    path = written(tmp_path, "q,A,B,C,right\nfirst,yes,no,,A\n")
    row = only(path, {"prompt": "q", "options": ["A", "B", "C"], "answer": "right"})
    assert row.payload == {"options": ["yes", "no"], "answer": 0}


@pytest.mark.parametrize(
    ("row", "field"),
    [({"o": "{'A': 'yes", "right": "A"}, "o"), ({"o": ["yes", "no"], "right": "E"}, "right"), ({"o": [1]}, "o")],
)
def test_a_question_without_options_or_answer_is_rejected(row: dict[str, Any], field: str, tmp_path: Path) -> None:
    path = lines(tmp_path, {"q": "first", **row})
    assert refused(path, {"prompt": "q", "options": "o", "answer": "right"})[0] == field


def test_an_answer_without_options_is_kept_as_reference(tmp_path: Path) -> None:
    assert only(lines(tmp_path, {"q": "first", "a": 7}), {"prompt": "q", "answer": "a"}).payload == {"reference": 7}


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ({"promt": "q"}, "'promt'"),
        ({"responses": ["a"]}, "which column is the prompt"),
        ({"prompt": 0}, "'prompt'"),
        ({"prompt": ["q"]}, "'prompt'"),
        ({"prompt": "q", "responses": [{"path": "a", "kind": "good"}]}, "kind"),
        ({"prompt": "q", "responses": [{"name": "a"}]}, "'name'"),
        ({"prompt": "q", "header": "yes"}, "'header'"),
        ({"prompt": "q", "options": ["o"] * 41}, "'options'"),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_by_the_key(mapping: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=named):
        rows_of(lines(tmp_path, {"q": "first"}), mapping)


@pytest.mark.parametrize("mapping", [{"prompt": "other"}, {"prompt": "q", "records": "nowhere"}])
def test_a_mapping_that_does_not_fit_the_file_is_refused(mapping: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(WrongFormat):
        rows_of(lines(tmp_path, *ROWS), mapping)


def test_a_file_whose_prompts_nobody_can_guess_asks_for_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(WrongFormat, match="mapping"):
        rows_of(lines(tmp_path, {"x": "first", "y": "second"}))


# --- the guess ---


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"instruction": "x", "output": "y"}, {"prompt": "instruction", "responses": [("output", "reply")]}),
        (
            {"问题": "x", "回答": "y", "类别": "z"},
            {"prompt": "问题", "responses": [("回答", "reply")], "scenario": "类别"},
        ),
        ({"data": {"query": "x"}, "id": 1}, {"prompt": "data.query", "source_id": "id"}),
        ({"question": "x", "choices": ["a", "b"], "answer": 0}, {"options": ["choices"], "answer": "answer"}),
        ({"question": "x", "A": "1", "B": "2", "answer": "A"}, {"options": ["A", "B"], "answer": "answer"}),
        (
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "x"}]},
            {"prompt": "messages.1.content"},
        ),
        (
            {"prompt": "x", "chosen": {"value": "y"}, "rejected": {"value": "z"}},
            {"responses": [("chosen.value", "positive"), ("rejected.value", "negative")]},
        ),
    ],
)
def test_columns_are_guessed_by_their_names(row: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    found = guess(lines(tmp_path, row, row))
    found["responses"] = [(one["path"], one["kind"]) for one in found.get("responses", [])]
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"version": "1", "data": [{"text": "x"}]}', {"records": "data", "prompt": "text"}),
        ('{"set": {"version": "1", "rows": [{"text": "x"}]}}', {"records": "set.rows", "prompt": "text"}),
        ("x one\ny two\n", {"lines": True, "prompt": "1"}),
        ('prompt\n"x, one"\n', {"prompt": "prompt"}),
    ],
)
def test_the_layout_of_a_file_is_guessed(text: str, expected: dict[str, Any], tmp_path: Path) -> None:
    found = guess(written(tmp_path, text))
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("text", ['{"x": "a", "y": "b"}\n', "a 1,2,3\nb 4,5,6\n"])
def test_nothing_is_guessed_where_nothing_tells(text: str, tmp_path: Path) -> None:
    assert guess(written(tmp_path, text)) == {}


def test_its_name_is_that_of_the_command() -> None:
    assert IMPORTER.name == "generic"


@pytest.mark.parametrize(
    ("values", "mapping", "reason"),
    [
        ('[{"q": "a", "n": 1e999}]', {"prompt": "q", "keep": True}, "contains a number that is too large"),
        ('[{"q": "a", "n": {"m": [-1e999]}}]', {"prompt": "q", "keep": True}, "contains a number that is too large"),
        (json.dumps([{"q": '{"q": "a\\u0000"}'}]), {"prompt": "q.q"}, "contains a NUL character"),
        (json.dumps([{"q": "a", "o": "['b\\x00', 'c']"}]), {"prompt": "q", "options": "o"}, "contains a NUL character"),
        (
            json.dumps([{"q": "a", "o": "['b\\ud800', 'c']"}]),
            {"prompt": "q", "options": "o"},
            "contains bytes that are not text in the encoding of the file",
        ),
    ],
)
def test_a_value_that_no_database_stores_rejects_its_row_alone(
    tmp_path: Path, values: str, mapping: dict[str, Any], reason: str
) -> None:
    good = {"q": '{"q": "fine"}', "o": "['b', 'c']", "n": None}
    path = written(tmp_path, f"{values[:-1]}, {json.dumps(good)}]")
    bad, row = rows_of(path, mapping)
    assert isinstance(bad, RejectedRow) and (bad.reason, isinstance(row, ImportedRow)) == (reason, True)
    assert json.loads(bad.raw)


def test_large_numbers_and_null_are_stored_as_they_are(tmp_path: Path) -> None:
    path = written(tmp_path, '[{"q": "a", "n": 123456789012345678901, "m": null}]')
    assert only(path, {"prompt": "q", "keep": True}).payload["columns"] == {"n": 123456789012345678901, "m": None}
