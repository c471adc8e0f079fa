from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from annotation.detecting import PREVIEW_ROWS, detect, why_not
from annotation.importers.base import ImportOptions
from madsafe_web.core.textio import sources

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the public data beside the repository is not here")
FORMATS = {
    "chinese_safetyqa/chinese_safetyqa.csv": "chinese_safetyqa",
    "cold/dev.csv.gz": "cold",
    "general/HumanEval.jsonl.gz": "humaneval",
    "general/cmmlu.zip": "cmmlu",
    "general/gsm8k_test.jsonl.gz": "gsm8k",
    "general/mmlu_500_derta.json": "mmlu",
    "judges_en/do_not_answer_en.csv": "do_not_answer",
    "judges_en/xstest_prompts.csv": "xstest",
    "cvalues/CValues-Comparison.shaped_cipherchat.jsonl.gz": "cvalues_comparison",
    "cvalues/CValues-Comparison.shaped_jade.jsonl": "cvalues_comparison",
    "cvalues/cvalues_responsibility_mc.SYNTHETIC.jsonl": "cvalues_responsibility",
    "cvalues/cvalues_responsibility_prompts.jsonl": "cvalues_responsibility",
    "golden/safetybench_prompts.json": "safetybench",
    "jade/jade_alignment_medium_zh.csv": "jade",
    "jade/jade_benchmark_easy_zh.csv": "jade",
    "judges_en/dna_human_ChatGLM2.csv.gz": "do_not_answer",
    "judges_en/xstest_v2_completions_llama2new.csv.gz": "xstest",
    "judges_zh/cipherchat_domains_gpt35_zh.jsonl.gz": "generic",
    "judges_zh/cipherchat_human_gpt35_zh.jsonl": "generic",
    "s_eval/S-Eval_attack_zh_small.jsonl.zip": "s_eval",
    "s_eval/S-Eval_base_risk_zh_full.jsonl.zip": "s_eval",
    "s_eval/S-Eval_base_risk_zh_small.jsonl.zip": "s_eval",
    "safety_prompts/goal_hijacking_prompt_leaking.prompts_only.json": "safety_prompts",
    "safety_prompts/instruction_attack_scenarios.sample.json": "safety_prompts",
    "safety_prompts/typical_safety_scenarios.messy.json": "safety_prompts",
    "safety_prompts/typical_safety_scenarios.sample.json": "safety_prompts",
    "safetybench/test_zh_subset.json": "safetybench",
    "sft_general/alpaca_en_demo.json": "alpaca",
    "sft_general/alpaca_zh_demo.json": "alpaca",
    "sft_general/identity.json": "alpaca",
    "sft_general/dpo_zh_demo.json": "sharegpt",
}
NO_PROMPTS = (
    "golden/safetybench_scores.json",
    "labels/links.jsonl.gz",
    "safetybench/test_answers_zh.json",
    "MANIFEST.json",
)


@needs_shared
@pytest.mark.parametrize(("name", "expected"), FORMATS.items())
def test_the_format_of_every_file_is_told_from_its_content(name: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "without a name that tells anything"
    path.symlink_to(SHARED / name)
    assert detect(path)[0].name == expected


@needs_shared
@pytest.mark.parametrize("name", NO_PROMPTS)
def test_a_file_without_prompts_has_no_format(name: str) -> None:
    assert detect(SHARED / name) == []


def test_a_proposal_shows_the_first_rows_as_they_would_be_stored(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text("\n".join(json.dumps({"instruction": f"row {n}", "output": "reply"}) for n in range(30)))
    found = detect(path)
    assert [one.name for one in found] == ["alpaca", "generic"]
    assert len(found[0].rows) == found[0].good == PREVIEW_ROWS


def test_warnings_of_the_first_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text(json.dumps([{"instruction": "row", "output": ""}] * 3))
    assert detect(path)[0].warnings == {"output is empty": 3}


def test_only_the_head_of_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    row = json.dumps({"instruction": "row", "output": "reply"}) + "\n"
    path.write_text(row * 200_000 + "\x00 no row at all")
    assert detect(path)[0].good == PREVIEW_ROWS


def test_each_file_of_an_archive_is_unpacked_once_for_all_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "exam.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(9):
            archive.writestr(f"dev/{number}.csv", ",Question,A,B,C,D,Answer\n0,one,a,b,c,d,A\n")
    opened: list[object] = []
    unpack = sources._chunks
    monkeypatch.setattr(sources, "_chunks", lambda source: opened.append(source) or unpack(source))
    assert detect(path)[0].name == "cmmlu"
    assert len(opened) == len(set(opened)) >= 9


def test_what_is_too_much_to_be_kept_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows"
    path.write_text("\n".join(json.dumps({"instruction": f"row {n}", "output": "reply"}) for n in range(30)))
    expected = detect(path)
    for name, value in (("CHUNK", 100), ("_MOST_KEPT", 0)):
        monkeypatch.setattr(sources, name, value)
        assert detect(path) == expected


@needs_shared
def test_questions_without_their_answers_say_what_is_missing() -> None:
    path = SHARED / "safetybench/test_zh_subset.json"
    assert "carry no answers" in detect(path)[0].problem
    answers = ImportOptions(answers=SHARED / "safetybench/test_answers_zh.json")
    assert detect(path, answers)[0].good == PREVIEW_ROWS


@pytest.mark.parametrize(
    ("text", "why"), [("", "is empty"), ('{"x": 1}\n{"x": 2}\n', "no format"), ("[{", "in the middle")]
)
def test_a_file_that_fits_nothing_says_why(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text(text)
    assert detect(path) == []
    assert why in why_not(path, ImportOptions())


def test_a_folder_that_fits_nothing_says_why(tmp_path: Path) -> None:
    assert "no data file" in why_not(tmp_path, ImportOptions())
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    assert detect(tmp_path) == []
    assert "no format" in why_not(tmp_path, ImportOptions())
