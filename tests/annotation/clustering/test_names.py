from __future__ import annotations

import pytest

from annotation.clustering.grouping import SURE, blended
from annotation.clustering.proposers.base import Material
from annotation.clustering.proposing import evidence, proposed

TOGETHER = [
    ("文物盗掘", "盗掘文物行为"),
    ("侵害隐私权", "侵犯隐私"),
    ("散布地震谣言", "地震谣言"),
    ("职场欺压", "职场欺侮"),
    ("口音歧视", "口音岐视"),
    ("舆论操纵", "操控舆论"),
    ("非法捕捞", "违法捕捞"),
    ("Racial profiling", "profiling by race"),
    ("Plagiarism", "plagiarisms"),
    ("plagiarised essay", "plagiarized essay"),
    ("extremist ideology", "Extremism"),
]
APART = [
    ("性别歧视", "地域歧视"),
    ("名誉权侵犯", "荣誉权侵犯"),
    ("提示注入", "提示泄露"),
    ("网络攻击", "网络诈骗"),
    ("邪教", "防范邪教"),
    ("歧视", "反歧视"),
    ("文物盗掘", "文物保护"),
    ("合法捕捞", "非法捕捞"),
    ("暴力言论", "暴力行为"),
    ("网络攻击", "网络犯罪"),
    ("虐待儿童", "虐待动物"),
    ("legal activity", "illegal activity"),
    ("ethical behavior", "unethical behavior"),
    ("Gender discrimination", "Age discrimination"),
    ("prompt injection", "prompt leaking"),
    ("Terrorism", "counter terrorism"),
    ("identity theft", "theft"),
    ("Regional bias", "Religious bias"),
    ("risk level 1", "risk level 2"),
    ("宣扬暴力", "宣扬暴力、淫秽色情"),
    ("Use of records - Health", "Use of records - Location"),
    ("其他诈骗", "诈骗"),
]


@pytest.mark.parametrize(("first", "second"), TOGETHER)
def test_names_that_differ_in_words_of_no_weight_stand_together(first: str, second: str) -> None:
    assert proposed(Material([first, second])) == [sorted([first, second])]


@pytest.mark.parametrize(("first", "second"), APART)
def test_names_that_differ_in_meaning_stand_apart(first: str, second: str) -> None:
    assert proposed(Material([first, second])) == []


def test_what_many_names_hold_is_a_kind_and_none_of_them() -> None:
    names = ["安全", "食品安全", "交通安全", "用电安全", "消防安全"]
    assert proposed(Material(names)) == []


def test_heads_that_other_themes_have_too_are_taken_for_the_same() -> None:
    names = ["性别歧视", "口音歧视", "口音偏见", "国籍偏见", "食品安全", "交通管制"]
    assert proposed(Material(names)) == [["口音偏见", "口音歧视"]]


def test_heads_of_a_theme_that_many_begin_with_are_not() -> None:
    names = ["网络谣言", "网络赌博", "网络安全", "网络暴力", "食品安全", "家庭暴力"]
    assert proposed(Material(names)) == []


def test_opposites_are_not_even_neighbours() -> None:
    pairs = evidence(Material(["极端组织", "反极端组织", "食品"]))
    assert blended(pairs) == {}


def test_what_only_supports_is_never_sure_alone() -> None:
    pairs = [
        pair
        for pair in evidence(Material(["学术作弊", "学术诚信", "食品卫生", "网络赌博"]))
        if pair.kind == "neighbours"
    ]
    assert pairs
    assert all(pair.weight < SURE for pair in pairs)
