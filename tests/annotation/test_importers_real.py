"""Every real file that an importer is named for, with exact counts. Skipped where the data is not there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from annotation.importers.base import Importer, ImportOptions, RejectedRow, Rows, row_key
from annotation.text import response_key
from madsafe_web.core.registry import plugins
from madsafe_web.core.textio import BadFile

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
IMPORTERS: dict[str, Importer] = plugins("annotation.importers", "IMPORTER")

# format, file, then read, imported, duplicates, rejected, warnings, prompts, responses, scenarios
COUNTS = [
    ("safety_prompts", "safety_prompts/typical_safety_scenarios.sample.json", 1050, 1050, 0, 0, 0, 1050, 1050, 7),
    ("safety_prompts", "safety_prompts/typical_safety_scenarios.messy.json", 1107, 1055, 49, 3, 42, 1055, 1031, 7),
    ("safety_prompts", "safety_prompts/instruction_attack_scenarios.sample.json", 600, 600, 0, 0, 0, 600, 600, 4),
    (
        "safety_prompts",
        "safety_prompts/goal_hijacking_prompt_leaking.prompts_only.json",
        300,
        300,
        0,
        0,
        300,
        300,
        0,
        2,
    ),
    ("s_eval", "s_eval/S-Eval_base_risk_zh_full.jsonl.zip", 10_000, 10_000, 0, 0, 0, 10_000, 0, 8),
    ("s_eval", "s_eval/S-Eval_base_risk_zh_small.jsonl.zip", 1000, 1000, 0, 0, 0, 1000, 0, 8),
    ("s_eval", "s_eval/S-Eval_attack_zh_small.jsonl.zip", 10_000, 10_000, 0, 0, 0, 10_000, 0, 8),
    ("cvalues_comparison", "cvalues/CValues-Comparison.shaped_cipherchat.jsonl.gz", 1060, 1060, 0, 0, 0, 1060, 2120, 1),
    ("cvalues_comparison", "cvalues/CValues-Comparison.shaped_jade.jsonl", 500, 500, 0, 0, 0, 500, 1000, 1),
    ("cvalues_responsibility", "cvalues/cvalues_responsibility_prompts.jsonl", 664, 664, 0, 0, 0, 664, 0, 8),
    ("cvalues_responsibility", "cvalues/cvalues_responsibility_mc.SYNTHETIC.jsonl", 20, 20, 0, 0, 0, 20, 0, 8),
    ("jade", "jade/jade_alignment_medium_zh.csv", 500, 500, 0, 0, 0, 500, 1000, 1),
    ("jade", "jade/jade_benchmark_easy_zh.csv", 1000, 997, 3, 0, 0, 997, 0, 3),
    ("cold", "cold/dev.csv.gz", 6431, 6430, 1, 0, 0, 6430, 0, 3),
    ("chinese_safetyqa", "chinese_safetyqa/chinese_safetyqa.csv", 2000, 2000, 0, 0, 1, 2000, 0, 7),
    ("do_not_answer", "judges_en/do_not_answer_en.csv", 939, 938, 1, 0, 0, 938, 0, 5),
    ("do_not_answer", "judges_en/dna_human_GPT4.csv.gz", 939, 938, 1, 0, 0, 938, 938, 1),
    ("do_not_answer", "judges_en/dna_human_ChatGLM2.csv.gz", 939, 939, 0, 0, 0, 938, 939, 1),
    ("xstest", "judges_en/xstest_prompts.csv", 450, 450, 0, 0, 0, 450, 0, 18),
    ("xstest", "judges_en/xstest_v2_completions_llama2new.csv.gz", 450, 450, 0, 0, 0, 450, 450, 18),
    ("xstest", "judges_en/xstest_v2_completions_mistralinstruct.csv.gz", 450, 450, 0, 0, 0, 450, 450, 18),
    ("gsm8k", "general/gsm8k_test.jsonl.gz", 1319, 1319, 0, 0, 0, 1319, 0, 1),
    ("humaneval", "general/HumanEval.jsonl.gz", 164, 164, 0, 0, 0, 164, 0, 1),
    ("mmlu", "general/mmlu_500_derta.json", 500, 500, 0, 0, 0, 500, 0, 1),
    ("cmmlu", "general/cmmlu.zip", 11_917, 11_914, 3, 0, 0, 11_914, 0, 67),
    ("alpaca", "sft_general/alpaca_zh_demo.json", 1000, 992, 8, 0, 0, 992, 992, 1),
    ("alpaca", "sft_general/alpaca_en_demo.json", 999, 985, 14, 0, 0, 985, 985, 1),
    ("alpaca", "sft_general/identity.json", 91, 91, 0, 0, 85, 89, 91, 1),
    ("sharegpt", "sft_general/dpo_zh_demo.json", 300, 289, 11, 0, 0, 289, 578, 1),
]
SAFETYBENCH = "safetybench/test_zh_subset.json"


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the data file {name} is not beside the repository (../shared/data)")
    return path


def counted(rows: Rows) -> tuple[int, ...]:
    """Counts by the rules of the store: a known prompt without a new response is a duplicate."""
    held: dict[bytes, set[bytes]] = {}
    counts: Counter[str] = Counter()
    scenarios: set[str] = set()
    for _, row in rows:
        counts["read"] += 1
        if isinstance(row, RejectedRow):
            counts["rejected"] += 1
            continue
        key, brought = row_key(row), {response_key(response.text) for response in row.responses}
        known = held.setdefault(key, set()) if key in held else None
        counts["duplicate" if known is not None and brought <= known else "imported"] += 1
        counts["warnings"] += len(row.warnings)
        held.setdefault(key, set()).update(brought)
        scenarios.add(row.scenario)
    named = (counts[name] for name in ("read", "imported", "duplicate", "rejected", "warnings"))
    return (*named, len(held), sum(map(len, held.values())), len(scenarios))


@pytest.mark.parametrize("case", COUNTS, ids=lambda case: str(case[1]))
def test_a_real_file_is_imported_whole(case: tuple[str | int, ...]) -> None:
    importer, name, *expected = case
    assert counted(IMPORTERS[str(importer)].read(real(str(name)), ImportOptions())) == tuple(expected)


@pytest.mark.parametrize("answers", ["test_answers_zh_subset.json", "test_answers_zh.json"])
def test_the_real_safetybench_is_imported_whole_with_either_answer_file(answers: str) -> None:
    options = ImportOptions(answers=real(f"safetybench/{answers}"))
    rows = IMPORTERS["safetybench"].read(real(SAFETYBENCH), options)
    assert counted(rows) == (2100, 2100, 0, 0, 2, 2100, 0, 7)


def test_every_real_file_is_accepted_by_its_own_importer_only() -> None:
    if not DATA.exists():
        pytest.skip("there is no data beside the repository (../shared/data)")
    named = {(str(importer), str(name)) for importer, name, *_ in COUNTS}
    accepted = {
        (importer, path.relative_to(DATA).as_posix())
        for path in sorted(DATA.rglob("*"))
        if path.suffix in (".json", ".jsonl", ".csv", ".gz", ".zip")
        for importer in IMPORTERS
        if importer not in COLUMNS_BY_NAME and _accepts(importer, path)
    }
    assert accepted == named


COLUMNS_BY_NAME = ("generic", "hf_dataset")  # they read whatever has a column of prompts


def _accepts(importer: str, path: Path) -> bool:
    try:
        next(IMPORTERS[importer].read(path, ImportOptions()))
    except BadFile:
        return False
    return True
