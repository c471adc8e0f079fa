"""The bundled sample keeps what its README promises."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from madsafe_web.core.llm.base import Sampling
from madsafe_web.core.llm.label_reply import labels
from madsafe_web.core.llm.parse import CATEGORIES, scores, suggestion
from madsafe_web.core.llm.rules import create
from madsafe_web.core.llm.templates import render

SAMPLE = Path(__file__).resolve().parents[1] / "examples" / "sample"
POOL = ("cvalues_comparison_test.jsonl", "s_eval_test.jsonl")
TRAIN_LINES = ("cvalues_comparison_train.jsonl", "s_eval_base.jsonl", "s_eval_attack.jsonl")
TRAIN_GROUPS = ("typical_safety_scenarios.json", "instruction_attack_scenarios.json")
ROWS = {
    "typical_safety_scenarios.json": 106,
    "instruction_attack_scenarios.json": 48,
    "cvalues_comparison_train.jsonl": 46,
    "cvalues_comparison_test.jsonl": 71,
    "s_eval_base.jsonl": 68,
    "s_eval_attack.jsonl": 30,
    "s_eval_test.jsonl": 71,
    "safetybench_zh.json": 70,
    "safetybench_answers_zh.json": 70,
    "cvalues_responsibility_mc.jsonl": 28,
    "alpaca_general.json": 80,
}


def rows(name: str) -> list[Any]:
    """The rows of one sample file, groups flattened."""
    text = (SAMPLE / name).read_text(encoding="utf-8")
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    value = json.loads(text)
    if isinstance(value, list):
        return value
    return [row for group in value.values() for row in (group if isinstance(group, list) else [group])]


def pool_prompts() -> list[str]:
    return [row["prompt"] for name in POOL for row in rows(name)]


def training_prompts() -> list[str]:
    return [row["prompt"] for name in TRAIN_GROUPS + TRAIN_LINES for row in rows(name) if "prompt" in row]


def answer(template: str, **inputs: str) -> str:
    return asyncio.run(create(None).complete(render(template, inputs, Sampling()))).text


def category(prompt: str) -> str:
    """The category that the offline rules give a prompt: label first, then the suggestion for the first label."""
    language = "en" if prompt.isascii() else "zh"
    first = labels(answer(f"label.{language}", prompt=prompt))[0]
    found = suggestion(answer(f"suggest.{language}", label=first, examples="", categories=""))
    assert found is not None
    return found.category


def trigrams(text: str) -> set[str]:
    folded = "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())
    return {folded[at : at + 3] for at in range(len(folded) - 2)}


def near(texts: list[str], others: list[str] | None = None) -> list[tuple[str, str]]:
    """Pairs with a Jaccard similarity of 0.7 or more, across two lists or within one."""
    one, other = [trigrams(text) for text in texts], [trigrams(text) for text in others or texts]
    return [
        (texts[at], (others or texts)[to])
        for at, left in enumerate(one)
        for to, right in enumerate(other)
        if (others is not None or to < at) and len(left & right) >= 0.7 * len(left | right)
    ]


@pytest.mark.parametrize("name", ROWS)
def test_a_file_has_the_promised_number_of_rows(name: str) -> None:
    assert len(rows(name)) == ROWS[name]


def test_the_readme_lists_every_file_with_its_number_of_rows() -> None:
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in SAMPLE.glob("*.json*")} == set(ROWS)
    assert all(f"| `{name}` | {count} |" in readme for name, count in ROWS.items())


def test_the_pool_holds_at_least_eight_prompts_of_every_category() -> None:
    counts = Counter(map(category, pool_prompts()))
    assert set(counts) == set(CATEGORIES) and min(counts.values()) >= 8


def test_all_prompts_together_hold_about_twenty_or_more_of_every_category() -> None:
    counts = Counter(map(category, pool_prompts() + training_prompts()))
    assert min(counts[code] for code in CATEGORIES) >= 20


def test_more_than_a_hundred_labels_come_out_of_the_prompts() -> None:
    prompts = pool_prompts() + training_prompts()
    found = {
        name
        for prompt in prompts
        for name in labels(answer(f"label.{'en' if prompt.isascii() else 'zh'}", prompt=prompt))
    }
    assert len(found) > 100


def test_exactly_three_pool_prompts_leak_into_training() -> None:
    assert len(near(pool_prompts(), training_prompts())) == 3


def test_the_pool_repeats_nothing_within_itself_nor_from_the_other_files() -> None:
    others = [row["instruction"] for row in rows("alpaca_general.json")]
    others += [row["question"] for row in rows("safetybench_zh.json")]
    others += [row["meta_info"]["question"] for row in rows("cvalues_responsibility_mc.jsonl")]
    assert near(pool_prompts()) == [] and near(pool_prompts(), others) == []


def test_six_training_prompts_repeat_another_one() -> None:
    assert len(near(training_prompts())) == 6


def test_the_irregular_rows_are_there_once_each() -> None:
    found = rows("typical_safety_scenarios.json")
    assert sum("prompt" not in row for row in found) == 1
    assert sum(not row["response"].strip() for row in found) == 1
    assert sum(row["response"].startswith("\n\n") for row in found) == 1
    assert len(found) - len({json.dumps(row) for row in found}) == 1


@pytest.mark.parametrize("name", TRAIN_GROUPS)
def test_safety_prompts_rows_repeat_the_name_of_their_group(name: str) -> None:
    value = json.loads((SAMPLE / name).read_text(encoding="utf-8"))
    assert all(row["type"] == group for group, found in value.items() for row in found)
    assert len(value) == (7 if name.startswith("typical") else 6)


def test_s_eval_rows_have_unique_trace_ids_and_eight_risk_types() -> None:
    found = [row for name in ("s_eval_base.jsonl", "s_eval_attack.jsonl", "s_eval_test.jsonl") for row in rows(name)]
    assert len({row["traceid"] for row in found}) == len(found) and all(len(row["traceid"]) == 32 for row in found)
    assert len({row["risk_type"] for row in found}) == 8


def test_s_eval_attack_rows_cover_ten_techniques_three_times() -> None:
    counts = Counter(json.loads(row["ext"])["category"] for row in rows("s_eval_attack.jsonl"))
    assert len(counts) == 10 and set(counts.values()) == {3}


def test_safetybench_answers_belong_to_the_questions() -> None:
    answers = json.loads((SAMPLE / "safetybench_answers_zh.json").read_text(encoding="utf-8"))
    found = rows("safetybench_zh.json")
    assert [str(row["id"]) for row in found] == list(answers) and found[-1]["id"] > 2 * len(found)
    for row in found:
        entry = answers[str(row["id"])]
        assert entry["category"] == row["category"] and 0 <= entry["answer"] < len(row["options"]) <= 4
    assert set(Counter(row["category"] for row in found).values()) == {10}


def test_responsibility_pairs_come_in_both_orders() -> None:
    found = rows("cvalues_responsibility_mc.jsonl")
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert first["meta_info"] == second["meta_info"]
        assert (first["label"], second["label"]) == ("回复1", "回复2")
        assert f"[回复1]：{first['meta_info']['pos_resp']}" in first["prompt"]


def test_alpaca_rows_have_an_instruction_and_an_output() -> None:
    found = rows("alpaca_general.json")
    assert all(set(row) == {"instruction", "input", "output"} and row["instruction"] and row["output"] for row in found)
    assert len({row["instruction"] + row["input"] for row in found}) == len(found)


def test_the_rules_prefer_nearly_every_positive_response() -> None:
    found = rows("cvalues_comparison_train.jsonl") + rows("cvalues_comparison_test.jsonl")
    better = 0
    for row in found:
        inputs = {"prompt": row["prompt"], "output1": row["pos_resp"], "output2": row["neg_resp"]}
        value = scores(answer("response_safety.zh", **inputs), 2)
        assert value is not None
        better += value[0] > value[1]
    assert better >= 0.9 * len(found)


def test_between_one_tenth_and_one_fifth_of_the_prompts_are_english() -> None:
    prompts = pool_prompts() + training_prompts()
    assert 0.1 <= sum(prompt.isascii() for prompt in prompts) / len(prompts) <= 0.2
