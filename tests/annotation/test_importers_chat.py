"""Conversations, and dataset folders with a card."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from annotation.detecting import detect
from annotation.importers.base import RejectedRow, WrongFormat
from tests.annotation.test_importers_sets import IMPORTERS, folder, imported, lines, read, zipped

CARD = """---
license: cc-by-nc-4.0
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: validation
    path: [data/held.jsonl]
---
# A dataset
"""


def turns(*said: str, keys: tuple[str, str] = ("from", "value")) -> list[dict[str, str]]:
    names = ("human", "gpt") if keys[0] == "from" else ("user", "assistant")
    return [{keys[0]: names[place % 2], keys[1]: text} for place, text in enumerate(said)]


# ShareGPT


def test_the_first_turns_are_prompt_and_response_and_later_ones_are_kept(tmp_path: Path) -> None:
    row = {"id": "c1", "conversations": [{"from": "system", "value": "s"}, *turns("q", "a", "q2", "a2")]}
    found, _ = imported(read("sharegpt", folder(tmp_path, {"c.jsonl": lines(row, row)})))
    assert (found.source_id, found.text, found.responses[0].text, found.responses[0].kind) == ("c1", "q", "a", "reply")
    assert found.payload == {"system": "s", "turns": turns("q2", "a2")}


def test_messages_with_role_and_content_are_read(tmp_path: Path) -> None:
    row = {"messages": turns("q", "a", keys=("role", "content"))}
    found, _ = imported(read("sharegpt", folder(tmp_path, {"c.json": lines(row, row)})))
    assert (found.text, found.responses[0].text, found.payload) == ("q", "a", {})


@pytest.mark.parametrize(
    "pair",
    [
        {"chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "bad"}},
        {"chosen": "good", "rejected": "bad"},
        {"chosen": turns("q", "good"), "rejected": turns("q", "bad")},
    ],
)
def test_two_replies_to_compare_are_a_positive_and_a_negative_response(tmp_path: Path, pair: dict[str, object]) -> None:
    found, _ = imported(
        read("sharegpt", folder(tmp_path, {"c.jsonl": lines(*[{"conversations": turns("q"), **pair}] * 2)}))
    )
    assert [(one.kind, one.text) for one in found.responses] == [("positive", "good"), ("negative", "bad")]


def test_conversations_without_a_reply_or_a_person_are_told_apart(tmp_path: Path) -> None:
    rows = [{"conversations": turns("q")}, {"conversations": [{"from": "gpt", "value": "a"}]}, {"conversations": 3}, {}]
    first, *others = read("sharegpt", folder(tmp_path, {"c.jsonl": lines(*rows)}))
    assert imported([first])[0].warnings == ("there is no reply",)
    assert [(row.field, row.reason) for row in others if isinstance(row, RejectedRow)] == [
        ("conversations", "has no turn of a person"),
        ("conversations", "is a number, expected an array"),
        ("conversations", "is missing"),
    ]


# Hugging Face


FILES = {
    "README.md": CARD,
    "data/train-00000.jsonl": lines({"question": "q1", "answer": "a1"}, {"question": "", "answer": "a"}),
    "data/held.jsonl": lines({"question": "q2", "answer": "a2"}),
    "data/left_out.jsonl": lines({"question": "q3", "answer": "a3"}),
    "dataset_infos.json": "{}",
}


@pytest.mark.parametrize("name", ["one.jsonl", "one.jsonl.gz", "without an ending"])
def test_a_conversation_alone_in_its_file_is_one_row(tmp_path: Path, name: str) -> None:
    text = lines({"conversations": turns("q", "a")}).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    (row,) = imported(read("sharegpt", tmp_path / name))
    assert (row.text, [one.text for one in row.responses]) == ("q", ["a"])
    assert detect(tmp_path / name)[0].name == "sharegpt"


def test_an_instruction_alone_in_its_file_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(lines({"instruction": "do", "input": None, "output": "done", "history": []}))
    assert [row.text for row in imported(read("alpaca", path))] == ["do"]
    assert detect(path)[0].name == "alpaca"


@pytest.mark.parametrize("make", [folder, zipped])
def test_a_card_says_which_files_are_data_and_their_splits(tmp_path: Path, make: object) -> None:
    path = make(tmp_path, FILES)  # type: ignore[operator]
    by_text = {row.text: row for row in imported([row for row in read("hf_dataset", path) if not _is_bad(row)])}
    assert {text: row.payload["split"] for text, row in by_text.items()} == {"q1": "train", "q2": "val"}
    assert by_text["q1"].responses[0].text == "a1"
    assert IMPORTERS["hf_dataset"].not_read(path) == ["data/left_out.jsonl was passed over: the card leaves it out"]
    (bad,) = [row for row in read("hf_dataset", path) if isinstance(row, RejectedRow)]
    assert (bad.file, bad.number, bad.field, bad.reason) == ("data/train-00000.jsonl", 2, "question", "is empty")


@pytest.mark.parametrize("make", [folder, zipped])
def test_the_licence_of_a_dataset_is_on_its_card(tmp_path: Path, make: object) -> None:
    assert IMPORTERS["hf_dataset"].licence_of(make(tmp_path, FILES)) == "cc-by-nc-4.0"  # type: ignore[operator]


def test_without_a_card_every_data_file_of_a_folder_is_read(tmp_path: Path) -> None:
    files = {
        "test.jsonl": lines({"instruction": "do", "output": "done"}),
        "b.json": lines(*[{"messages": turns("q", "a", keys=("role", "content"))}] * 2),
    }
    found = imported(read("hf_dataset", folder(tmp_path, files)))
    assert [(row.text, row.payload.get("split", "")) for row in found] == [("q", ""), ("q", ""), ("do", "test")]


def test_a_mapping_names_the_columns_of_a_dataset(tmp_path: Path) -> None:
    mapping = {"prompt": "p", "responses": ["r"]}
    (found,) = imported(read("hf_dataset", folder(tmp_path, {"a.jsonl": lines({"p": "q", "r": "a"})}), mapping=mapping))
    assert (found.text, found.responses[0].text) == ("q", "a")


def test_a_dataset_without_a_column_of_prompts_names_its_columns(tmp_path: Path) -> None:
    path = folder(tmp_path, {"a.jsonl": lines({"x": "1", "y": 2})})
    with pytest.raises(WrongFormat, match="expected rows with a column of prompts, found columns x, y"):
        read("hf_dataset", path)


@pytest.mark.parametrize("card", ["", "no head", "---\nlicense: [a, b]\n---", "---\n- [\n---", "---\n3\n---"])
def test_any_card_is_read_past(tmp_path: Path, card: str) -> None:
    path = folder(tmp_path, {"README.md": card, "a.jsonl": lines({"question": "q"})})
    assert len(imported(read("hf_dataset", path))) == 1
    assert IMPORTERS["hf_dataset"].licence_of(path) in ("", "a, b")


def _is_bad(row: object) -> bool:
    return isinstance(row, RejectedRow)
