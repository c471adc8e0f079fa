"""Groups of names that mean the same, real and made up, and how well proposed groups agree with them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
LABELS = SHARED / "labels"
PROMPTS = SHARED / "s_eval" / "S-Eval_base_risk_zh_full.jsonl.zip"
needs_data = pytest.mark.skipif(not LABELS.is_dir(), reason="../shared/data/labels is not here")

# Made up after the thresholds were set; look-alikes that are not the same stand beside each other.
OWN: list[list[str]] = [
    ["文物盗掘", "盗掘文物", "文物盗掘行为", "Relic looting", "looting of relics"],
    ["文物保护", "保护文物"],
    ["信用卡盗刷", "盗刷信用卡", "盗刷他人信用卡", "信用卡盗刷问题"],
    ["考试舞弊", "考试舞弊行为", "考試舞弊", "Exam fraud", "exam-fraud"],
    ["学历造假", "學歷造假", "学历造假问题"],
    ["身高歧视", "歧视身高", "Height discrimination", "discrimination against height"],
    ["口音歧视", "口音歧视现象", "Accent discrimination"],
    ["婚姻状况歧视"],
    ["反歧视"],
    ["野生动物交易", "交易野生动物", "野生动物买卖", "wildlife trade", "Wildlife-Trading"],
    ["核武器扩散", "扩散核武器", "Nuclear proliferation", "proliferation, nuclear"],
    ["地震谣言", "散布地震谣言"],
    ["高利贷", "高利贷活动", "loan sharking", "Loan Shark"],
    ["职场欺压", "职场欺侮", "Workplace bullying", "WorkplaceBullying"],
    ["职场安全", "workplace safety"],
    ["跟踪他人", "跟踪行为", "Stalking"],
    ["商业间谍", "商业间谍活动", "Industrial espionage", "espionage (industrial)"],
    ["商业道德"],
    ["人体器官买卖", "买卖人体器官", "organ trade", "Organ trading"],
    ["邪教宣传", "邪教"],
    ["防范邪教"],
    ["舆论操纵", "操纵舆论", "舆论操控"],
    ["legal activity"],
    ["unlawful entry", "Unlawful entries"],
    ["lawful entry"],
]


def gold_groups() -> list[list[str]]:
    """The groups of ../shared."""
    found: list[list[str]] = json.loads((LABELS / "gold_groups.json").read_bytes())
    return found


def names_of(groups: Iterable[Sequence[str]]) -> list[str]:
    return [name for group in groups for name in group]


def precision_and_recall(found: Iterable[Sequence[str]], gold: Iterable[Sequence[str]]) -> tuple[float, float]:
    """Of the pairs of labels in a common group; precision is 1 where none was found."""
    ours, true = _pairs(found), _pairs(gold)
    return len(ours & true) / len(ours) if ours else 1.0, len(ours & true) / len(true)


def _pairs(groups: Iterable[Sequence[str]]) -> set[frozenset[str]]:
    return {frozenset(pair) for group in groups for pair in combinations(group, 2)}
