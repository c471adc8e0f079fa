"""Formats and shapes that no file beside the repository has, on small files of our own."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from annotation.importers.base import ImportedRow, Importer, ImportOptions, RejectedRow, WrongFormat
from madsafe_web.core.registry import plugins

IMPORTERS: dict[str, Importer] = plugins("annotation.importers", "IMPORTER")
Row = ImportedRow | RejectedRow


def read(importer: str, path: Path, **options: Any) -> list[Row]:
    numbered = list(IMPORTERS[importer].read(path, ImportOptions(**options)))
    assert [number for number, _ in numbered] == list(range(1, len(numbered) + 1))
    return [row for _, row in numbered]


def imported(rows: list[Row]) -> list[ImportedRow]:
    assert all(isinstance(row, ImportedRow) for row in rows), rows
    return [row for row in rows if isinstance(row, ImportedRow)]


def folder(tmp_path: Path, files: Mapping[str, str]) -> Path:
    root = tmp_path / "set"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return root


def zipped(tmp_path: Path, files: Mapping[str, str]) -> Path:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def lines(*rows: object) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


CMMLU = {
    "dev/arts.csv": ",Question,A,B,C,D,Answer\n0,甲？,一,二,三,四,B\n",
    "test/arts.csv": ",Question,A,B,C,D,Answer\n0,乙？,一,二,三,四,A\n1,丙？,一,二,三,四,\n",
}
MMLU = {"dev/anatomy_dev.csv": "Which?,a,b,c,d,C\n", "test/anatomy_test.csv": '"Two\nlines, one cell",a,b,c,d,A\n'}
CEVAL = {
    "val/law_val.csv": "id,question,A,B,C,D,answer\n0,甲？,一,二,三,四,D\n",
    "dev/law_dev.csv": "id,question,A,B,C,D,answer,explanation\n0,乙？,一,二,三,四,B,因为。\n",
    "test/law_test.csv": "id,question,A,B,C,D\n0,丙？,一,二,三,四\n",
}


# Exam sets of many files


@pytest.mark.parametrize("make", [folder, zipped])
def test_subject_split_and_answer_of_an_exam_set_come_from_folder_and_file(tmp_path: Path, make: Any) -> None:
    found = imported(read("cmmlu", make(tmp_path, CMMLU)))
    assert [(row.scenario, row.payload["split"], row.payload.get("answer")) for row in found] == [
        ("arts", "dev", 1),
        ("arts", "test", 0),
        ("arts", "test", None),
    ]
    assert found[2].warnings == ("Answer is missing",)
    assert found[0].payload["options"] == ["一", "二", "三", "四"]


@pytest.mark.parametrize("make", [folder, zipped])
def test_mmlu_has_no_header(tmp_path: Path, make: Any) -> None:
    found = imported(read("mmlu", make(tmp_path, MMLU)))
    assert [(row.text, row.scenario, row.payload["split"], row.payload["answer"]) for row in found] == [
        ("Which?", "anatomy", "dev", 2),
        ("Two\nlines, one cell", "anatomy", "test", 0),
    ]


def test_a_header_that_mmlu_has_after_all_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "anatomy_test.csv"
    path.write_text("Question,A,B,C,D,Answer\nWhich?,a,b,c,d,C\n")
    (found,) = imported(read("mmlu", path))
    assert (found.text, found.scenario, found.payload["split"]) == ("Which?", "anatomy", "test")


def test_mmlu_choices_in_a_list_are_read(tmp_path: Path) -> None:
    row = {"question": "Which?", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 3}
    (found,) = imported(read("mmlu", folder(tmp_path, {"test.jsonl": lines(row)})))
    assert (found.scenario, found.payload["answer"], found.payload["options"]) == ("anatomy", 3, ["a", "b", "c", "d"])


def test_options_inside_the_question_of_mmlu_are_read(tmp_path: Path) -> None:
    text = "Which?\n-options\n-(A) one\n-(B) two\nlines\n-(C) three\n"
    (found,) = imported(read("mmlu", folder(tmp_path, {"m.json": lines({"question": text, "answer": "B"})})))
    assert found.text == text
    assert (found.payload["question"], found.payload["options"]) == ("Which?", ["one", "two\nlines", "three"])
    assert found.payload["answer"] == 1


@pytest.mark.parametrize("make", [folder, zipped])
def test_ceval_has_explanations_in_dev_and_no_answers_in_test(tmp_path: Path, make: Any) -> None:
    by_split = {row.payload["split"]: row for row in imported(read("ceval", make(tmp_path, CEVAL)))}
    assert by_split["dev"].payload["explanation"] == "因为。"
    assert by_split["val"].payload["answer"] == 3
    assert "answer" not in by_split["test"].payload
    assert {row.scenario for row in by_split.values()} == {"law"}
    assert not any(row.warnings for row in by_split.values())


def test_an_option_that_is_missing_rejects_its_row_with_the_file(tmp_path: Path) -> None:
    files = {**CMMLU, "test/law.csv": ",Question,A,B,C,D,Answer\n0,甲？,一,,三,四,B\n"}
    rows = read("cmmlu", zipped(tmp_path, files))
    assert rows[-1] == RejectedRow(
        1,
        "B",
        "is missing or empty",
        "test/law.csv",
        '{"":"0","Question":"甲？","A":"一","B":"","C":"三","D":"四","Answer":"B"}',
    )


def test_a_member_of_another_shape_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = read("cmmlu", zipped(tmp_path, {"a.csv": "x,y\n1,2\n", **CMMLU, "b.csv": 'a,b\n"never closed\n'}))
    assert [type(row) for row in rows] == [ImportedRow] * 3 + [RejectedRow] * 2
    bad = [row for row in rows if isinstance(row, RejectedRow)]
    assert [(row.file, row.number) for row in bad] == [("a.csv", 1), ("b.csv", 1)]
    assert "expected CSV columns Question" in bad[0].reason
    assert "does not close" in bad[1].reason


# Knowledge and code


def test_gsm8k_keeps_the_solution_and_its_number(tmp_path: Path) -> None:
    row = {"question": "How many?", "answer": "Six times 200.\n#### 1,200"}
    (found,) = imported(read("gsm8k", folder(tmp_path, {"train.jsonl": lines(row)}), split="train"))
    assert found.payload == {"solution": row["answer"], "final": "1200", "split": "train"}


def test_humaneval_keeps_code_as_text(tmp_path: Path) -> None:
    row = {"task_id": "T/0", "prompt": "def f():\n", "entry_point": "f", "canonical_solution": " pass", "test": "f()"}
    (found,) = imported(read("humaneval", folder(tmp_path, {"h.jsonl": lines(row)})))
    assert (found.source_id, found.text) == ("T/0", "def f():\n")
    assert found.payload == {name: row[name] for name in ("entry_point", "canonical_solution", "test")}


SAFETYQA = "cate,question,standard_answer,standard_source_url,options,correct_answer\r\n"


def test_options_of_safetyqa_are_a_python_literal(tmp_path: Path) -> None:
    text = SAFETYQA + "一级-二级-三级,问？,答,https://example.org,\"{'A': '答', 'B': '不'}\",B\r\n"
    (found,) = imported(read("chinese_safetyqa", folder(tmp_path, {"q.csv": "\ufeff" + text})))
    assert found.scenario == "一级"
    assert found.payload == {
        "categories": ["一级", "二级", "三级"],
        "standard_answer": "答",
        "url": "https://example.org",
        "options": ["答", "不"],
        "answer": 1,
    }


@pytest.mark.parametrize("options", ["{'A': '答'", "__import__('os')", "{'A': 1}", "[" * 5000, "{'A': '答', 'Z': ''}"])
def test_options_that_are_no_literal_are_a_warning(tmp_path: Path, options: str) -> None:
    text = SAFETYQA + f'一级,问？,答,,"{options}",A\r\n'
    (found,) = imported(read("chinese_safetyqa", folder(tmp_path, {"q.csv": text})))
    assert found.warnings == ("options cannot be read",)
    assert "options" not in found.payload


def test_cold_has_an_index_without_a_name(tmp_path: Path) -> None:
    text = "\ufeff,split,topic,label,fine-grained-label,TEXT\n7,test,region,0,3,句子\n8,test,race,x,0,句子二\n"
    first, second = imported(read("cold", folder(tmp_path, {"test.csv": text})))
    assert (first.source_id, first.scenario) == ("7", "region")
    assert first.payload == {"split": "test", "label": 0, "fine_grained_label": 3}
    assert second.warnings == ("label is neither 0 nor 1",)


def test_judged_replies_to_do_not_answer_have_kinds(tmp_path: Path) -> None:
    text = "id,question,response,harmful,action\n0,q,fine,0,1\n1,r,bad,1,5\n2,s,,0,0\n"
    found = imported(read("do_not_answer", folder(tmp_path, {"h.csv": text})))
    assert [[one.kind for one in row.responses] for row in found] == [["positive"], ["negative"], []]
    assert found[2].warnings == ("response is empty",)


# Safety-Prompts and SafetyBench


def test_bare_prompts_of_any_scenario_are_read_where_all_are_bare(tmp_path: Path) -> None:
    path = folder(tmp_path, {"p.json": json.dumps({"mental health": ["问题"], "Reverse_Exposure": ["问题二", 3]})})
    first, second, third = read("safety_prompts", path)
    assert isinstance(first, ImportedRow) and isinstance(second, ImportedRow) and isinstance(third, RejectedRow)
    assert (first.scenario, first.attack_type) == ("Mental_Health", "")
    assert (second.scenario, second.attack_type) == ("Reverse_Exposure", "Reverse_Exposure")


def test_examples_of_safetybench_may_stand_alone(tmp_path: Path) -> None:
    dev = {"Physical Health": [{"question": "q", "options": ["a", "b"], "answer": 1}]}
    (found,) = imported(read("safetybench", folder(tmp_path, {"dev_en.json": json.dumps(dev)})))
    assert (found.scenario, found.payload["split"], found.payload["answer"]) == ("Physical Health", "dev", 1)


def test_answers_of_another_set_are_told_by_the_ids(tmp_path: Path) -> None:
    questions = [{"id": n, "category": "Offensiveness", "question": "q", "options": ["a", "b"]} for n in (1, 2)]
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"1": {"category": "Offensiveness", "answer": 0}}))
    with pytest.raises(WrongFormat, match=r"answers.json: 1 of the 2 questions have no answer in it. Give the answer"):
        read("safetybench", folder(tmp_path, {"q.json": json.dumps(questions)}), answers=answers)


# JADE


def test_the_scenario_of_jade_has_one_spelling(tmp_path: Path) -> None:
    text = "ID,问题,违规类型,违规子类\n1,甲, 侵犯权益,其他\n2,乙,侵害权益,其他\n"
    found = imported(read("jade", folder(tmp_path, {"j.csv": text})))
    assert {row.scenario for row in found} == {"侵害权益"}
    assert found[0].payload["categories"] == ["侵犯权益"]
