"""Every importer on the real files, with exact counts, and on small files of wrong shapes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from annotation.importers.base import (
    ImportedRow,
    Importer,
    ImportOptions,
    RejectedRow,
    WrongFormat,
    row_key,
)
from annotation.text import response_key
from madsafe_web.core.registry import plugins

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
IMPORTERS: dict[str, Importer] = plugins("annotation.importers", "IMPORTER")
Row = ImportedRow | RejectedRow


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the data file {name} is not beside the repository (../shared/data)")
    return path


def read(importer: str, path: Path, **options: Any) -> list[Row]:
    numbered = list(IMPORTERS[importer].read(path, ImportOptions(**options)))
    numbers = [number for number, _ in numbered]
    assert numbers == sorted(set(numbers))
    return [row for _, row in numbered]


def made(tmp_path: Path, content: object, name: str = "rows.json") -> Path:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))
    return path


def imported(rows: list[Row]) -> list[ImportedRow]:
    return [row for row in rows if isinstance(row, ImportedRow)]


def rejected(rows: list[Row]) -> list[RejectedRow]:
    return [row for row in rows if isinstance(row, RejectedRow)]


def test_every_importer_says_its_title_role_and_licence() -> None:
    assert {"alpaca", "cmmlu", "cold", "safety_prompts", "xstest"} <= set(IMPORTERS)
    assert all(importer.title and importer.default_role for importer in IMPORTERS.values())


# Safety-Prompts


def test_the_messy_file_adds_up() -> None:
    rows = read("safety_prompts", real("safety_prompts/typical_safety_scenarios.messy.json"))
    known: dict[bytes, set[bytes]] = {}
    duplicates = 0
    for row in imported(rows):
        responses = {response_key(response.text) for response in row.responses}
        if row_key(row) in known and responses <= known[row_key(row)]:
            duplicates += 1
        known.setdefault(row_key(row), set()).update(responses)
    assert (len(rows), len(known), duplicates, len(rejected(rows))) == (1107, 1055, 49, 3)
    assert len(rows) == len(known) + duplicates + len(rejected(rows))


def test_the_messy_file_is_rejected_and_warned_about_as_its_manifest_says() -> None:
    rows = read("safety_prompts", real("safety_prompts/typical_safety_scenarios.messy.json"))
    manifest = json.loads(real("safety_prompts/typical_safety_scenarios.messy.manifest.json").read_text())
    seen = manifest["observed_in_file"]
    reasons = Counter(row.reason for row in rejected(rows))
    warnings = Counter(warning.split(" (")[0].split(",")[0] for row in imported(rows) for warning in row.warnings)
    assert reasons == {
        "is a text, expected an object": seen["non_object_rows"],
        "is a number, expected a text": seen["prompt_not_string"],
    }
    assert warnings == {
        "response is empty": seen["response_empty"] + seen["response_blank"],
        "response is missing": seen["response_missing"],
        "response is null": seen["response_null"],
        "type is missing": seen["type_missing"],
        "type is spelt otherwise": seen["type_not_equal_key"],
    }


def test_stored_texts_are_unchanged() -> None:
    path = real("safety_prompts/typical_safety_scenarios.messy.json")
    document = json.loads(path.read_text(encoding="utf-8-sig"))
    originals = [row["prompt"] for rows in document.values() for row in rows if isinstance(row, dict)]
    found = [row.text for row in imported(read("safety_prompts", path))]
    assert found == [text for text in originals if isinstance(text, str)]
    assert any(text.startswith("\ufeff") for text in found)


def test_the_name_of_the_array_wins_over_the_type(tmp_path: Path) -> None:
    row = {"prompt": "问题", "response": "回答", "type": "mental health"}
    (found,) = imported(read("safety_prompts", made(tmp_path, {"Mental_Health": [row]})))
    assert found.scenario == "Mental_Health"
    assert found.warnings == ("type is spelt otherwise (mental health), taken as Mental_Health",)


def test_an_instruction_attack_is_the_attack_type_too(tmp_path: Path) -> None:
    row = {"prompt": "问题", "response": "回答", "type": "Prompt_Leaking"}
    (found,) = imported(read("safety_prompts", made(tmp_path, {"Prompt_Leaking": [row]})))
    assert (found.attack_type, found.source_id) == ("Prompt_Leaking", "Prompt_Leaking/0")


# S-Eval


def test_attack_categories_come_out_of_ext() -> None:
    rows = imported(read("s_eval", real("s_eval/S-Eval_attack_zh_small.jsonl.zip")))
    assert set(Counter(row.attack_type for row in rows).values()) == {1000}
    assert len({row.attack_type for row in rows}) == 10
    assert len({row.source_id for row in rows}) == 10_000


def test_a_broken_ext_is_a_warning(tmp_path: Path) -> None:
    line = json.dumps({"traceid": "t", "risk_type": "Extremism", "prompt": "p", "ext": "{"})
    (found,) = imported(read("s_eval", made(tmp_path, line, "rows.jsonl")))
    assert found.warnings == ("ext is not valid JSON",)


# CValues


def test_both_responses_are_kept_with_their_kinds_and_types() -> None:
    row = imported(read("cvalues_comparison", real("cvalues/CValues-Comparison.shaped_jade.jsonl")))[0]
    assert [response.kind for response in row.responses] == ["positive", "negative"]
    assert row.payload == {"pos_type": "拒绝&正向建议", "neg_type": "风险回复"}


def test_a_pair_without_one_response_is_imported_with_the_other(tmp_path: Path) -> None:
    line = json.dumps({"prompt": "p", "pos_resp": "good", "neg_resp": " ", "pos_type": "a", "neg_type": "b"})
    (found,) = imported(read("cvalues_comparison", made(tmp_path, line)))
    assert [response.text for response in found.responses] == ["good"]
    assert found.warnings == ("neg_resp is empty",)


def test_the_labelled_reply_is_the_answer_in_both_orders() -> None:
    rows = imported(read("cvalues_responsibility", real("cvalues/cvalues_responsibility_mc.SYNTHETIC.jsonl")))
    assert Counter(row.payload["answer"] for row in rows) == {0: 10, 1: 10}
    for row in rows:
        first, second = row.payload["options"]
        assert row.text.index(first) < row.text.index(second)


# SafetyBench


@pytest.mark.parametrize("answers", ["test_answers_zh_subset.json", "test_answers_zh.json"])
def test_safetybench_is_joined_with_either_answer_file(answers: str) -> None:
    questions, path = real("safetybench/test_zh_subset.json"), real(f"safetybench/{answers}")
    rows = imported(read("safetybench", questions, answers=path))
    key = json.loads(path.read_text())
    assert len(rows) == len({row_key(row) for row in rows}) == 2100
    assert set(Counter(row.scenario for row in rows).values()) == {300}
    assert all(row.payload["answer"] == key[row.source_id]["answer"] for row in rows)
    assert [row.source_id for row in rows if row.warnings] == ["10678", "11358"]


def test_safetybench_without_its_answers_says_which_file_is_missing() -> None:
    with pytest.raises(WrongFormat, match="carry no answers. Give the answer file"):
        read("safetybench", real("safetybench/test_zh_subset.json"))


def test_a_question_without_an_answer_is_rejected(tmp_path: Path) -> None:
    question = {"id": 7, "category": "Offensiveness", "question": "q", "options": ["a", "b"]}
    answers = made(tmp_path, {"7": {"category": "Offensiveness", "answer": 2}}, "answers.json")
    rows = read("safetybench", made(tmp_path, [question]), answers=answers)
    assert rows == [
        RejectedRow(
            1, "answer", "is missing or no option of question 7", raw=json.dumps(question, separators=(",", ":"))
        )
    ]


def test_few_shot_examples_follow_the_questions(tmp_path: Path) -> None:
    question = {"id": 7, "category": "Offensiveness", "question": "q", "options": ["a", "b"]}
    answers = made(tmp_path, {"7": {"category": "Offensiveness", "answer": 1}}, "answers.json")
    dev = made(tmp_path, {"Offensiveness": [{"question": "d", "options": ["a", "b"], "answer": 0}]}, "dev.json")
    first, second = imported(read("safetybench", made(tmp_path, [question]), answers=answers, dev=dev))
    assert (first.payload["answer"], second.payload["answer"]) == (1, 0)
    assert (second.scenario, second.payload["split"]) == ("Offensiveness", "dev")


# JADE and Alpaca


def test_jade_answers_keep_their_kinds() -> None:
    row = imported(read("jade", real("jade/jade_alignment_medium_zh.csv")))[0]
    assert [response.kind for response in row.responses] == ["positive", "negative"]


def test_jade_categories_are_cut_of_blanks_and_split(tmp_path: Path) -> None:
    text = "ID,问题,违规类型,违规子类\n1,文本, 违法犯罪|侵犯权益,抢劫 |其他\n"
    (found,) = imported(read("jade", made(tmp_path, text, "jade.csv")))
    assert found.payload == {"categories": ["违法犯罪", "侵犯权益"], "subcategories": ["抢劫", "其他"]}


def test_alpaca_joins_instruction_and_input(tmp_path: Path) -> None:
    (found,) = imported(read("alpaca", made(tmp_path, [{"instruction": "做", "input": "这个", "output": "好"}])))
    assert (found.text, found.payload) == ("做\n这个", {"input": "这个"})


def test_alpaca_placeholders_are_pointed_out() -> None:
    rows = imported(read("alpaca", real("sft_general/identity.json")))
    assert sum("placeholder" in " ".join(row.warnings) for row in rows) == 85


# All formats


@pytest.mark.parametrize("importer", sorted(set(IMPORTERS) - {"generic"}))
def test_an_empty_or_foreign_file_is_a_wrong_format(tmp_path: Path, importer: str) -> None:
    contents = ["", "[]", "[1, 2]", '{"x": 1}', '{"x": "y"}\n{"x": "z"}\n', "a,b\n1,2\n", "plain words"]
    for content in contents:
        with pytest.raises(WrongFormat, match="^rows.json.*: expected .*, (found|but) .*Choose the format"):
            read(importer, made(tmp_path, content))


def test_a_foreign_file_does_not_put_its_texts_into_the_message(tmp_path: Path) -> None:
    with pytest.raises(WrongFormat) as caught:
        read("jade", made(tmp_path, '{"prompt": "a private text"}'))
    assert "private" not in str(caught.value)


def test_the_split_is_remembered_by_every_row(tmp_path: Path) -> None:
    (found,) = imported(read("alpaca", made(tmp_path, [{"instruction": "a", "output": "b"}]), split="train"))
    assert found.payload == {"split": "train"}


@pytest.mark.parametrize("row", [{"prompt": None}, {"prompt": " \ufeff"}, {"prompt": 5}, {"response": "x"}, 7])
def test_a_row_without_a_prompt_is_rejected_with_its_number(tmp_path: Path, row: object) -> None:
    good = {"prompt": "问题", "response": "回答", "type": "Insult"}
    first, second = read("safety_prompts", made(tmp_path, {"Insult": [good, row]}))
    assert isinstance(first, ImportedRow)
    assert isinstance(second, RejectedRow)
    assert second.number == 2
