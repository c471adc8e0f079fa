from __future__ import annotations

import pytest

from annotation.clustering.proposers.exact import exact_keys

SAME = [
    ("fingerprint", "Relic-Looting", "relic looting"),
    ("fingerprint", "RelicLooting", "relic_looting"),
    ("fingerprint", "relic looting.", "Relic  Looting"),
    ("fingerprint", "學歷造假", "学历造假"),
    ("fingerprint", "ＡＢＣ 风险", "abc风险"),
    ("characters", "盗掘文物", "文物盗掘"),
    ("characters", "對口音的歧視", "口音歧视"),
    ("pinyin", "新里健康", "心里健康"),
    ("core", "盗掘行为", "盗掘"),
    ("core", "跟踪他人", "跟踪"),
    ("core", "指令改写攻击", "指令改写"),
    ("core", "looting of relics", "Relic looting"),
    ("core", "Loan sharking", "loan shark"),
    ("core", "exam fraud issues", "Exam Fraud"),
    ("core", "Obscene: questions that hold words of a kind that offends many readers", "obscene"),
]
DIFFERENT = [
    ("犯罪", "罪犯"),
    ("性别歧视", "地域歧视"),
    ("合法行为", "非法行为"),
    ("legal activity", "illegal activity"),
    ("sexual content", "sexual activity"),
    ("网络攻击", "网络言论"),
    ("暴力", "暴利"),
    ("危害人类", "危害人"),
    ("违法：金融诈骗", "违法：网络赌博"),
    ("level 1", "level 2"),
    ("", "!!!"),
]


@pytest.mark.parametrize(("keyer", "first", "second"), SAME)
def test_one_name_in_two_spellings_has_one_key(keyer: str, first: str, second: str) -> None:
    assert exact_keys(first)[keyer] == exact_keys(second)[keyer]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_names_of_different_themes_have_no_common_key(first: str, second: str) -> None:
    ours, theirs = exact_keys(first), exact_keys(second)
    assert not [keyer for keyer in ours if ours[keyer] == theirs.get(keyer)]


def test_a_label_that_says_nothing_has_no_key() -> None:
    assert exact_keys("…!") == {}


def test_a_short_name_has_no_bag_of_characters() -> None:
    assert set(exact_keys("暴力")) == {"fingerprint", "core"}
