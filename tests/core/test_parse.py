"""What models answer is read tolerantly in form and strictly in meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madsafe_web.core.llm.parse import (
    CotReply,
    Suggestion,
    cot_reply,
    generated_prompt,
    label_key,
    scores,
    suggestion,
)


def test_a_label_key_ignores_case_width_white_space_and_script() -> None:
    assert label_key(" Ｄata  Privacy ") == label_key("data privacy")
    assert label_key("網絡詐騙") == label_key("网络诈骗")


@given(st.text(max_size=30))
def test_a_label_key_of_a_key_is_itself(text: str) -> None:
    assert label_key(label_key(text)) == label_key(text)


def test_a_suggestion_is_read_from_the_last_object() -> None:
    text = '先看 {"category": "EM", "confidence": 0.2}，结论 {"category": "cia", "confidence": 0.83}'
    assert suggestion(text) == Suggestion("CIA", 0.83)


@pytest.mark.parametrize(
    "text",
    [
        "CIA 0.83",
        '{"category": "XYZ", "confidence": 0.5}',
        '{"category": "CIA", "confidence": 1.5}',
        '{"category": "CIA", "confidence": true}',
        '{"category": "CIA", "confidence": NaN}',
        '{"category": "CIA"}',
        '{"category": "CIA", "category": "EM", "confidence": 0.5}',
        '{"category": "CIA", "confidence": 0.5} {"category": ',
    ],
)
def test_a_suggestion_that_breaks_the_contract_is_not_read(text: str) -> None:
    assert suggestion(text) is None


def test_a_suggestion_may_be_no_category_or_one_of_the_callers_own() -> None:
    assert suggestion('{"category": "none", "confidence": 1}') == Suggestion("NONE", 1.0)
    assert suggestion('{"category": "NEW", "confidence": 0.5}', {"NEW"}) == Suggestion("NEW", 0.5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[0.9, 0.2]", (0.9, 0.2)),
        ("评分：[1, 0]", (1.0, 0.0)),
        ("［０.９，０.２］", (0.9, 0.2)),
        ("0.9 0.2", (0.9, 0.2)),
        ("```\n[.5, 1.0]\n```", (0.5, 1.0)),
        ("[0.9, 0.2] 前者更完整", (0.9, 0.2)),
    ],
)
def test_two_scores_are_read_in_the_usual_forms(text: str, expected: tuple[float, ...]) -> None:
    assert scores(text, 2) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[0.9]",
        "[0.9, 0.2, 0.1]",
        "[1.2, 0.3]",
        "[-0.1, 0.3]",
        "[0.9/1, 0.2/1]",
        "[0.9, 0.2]/1",
        "[90%, 20%]",
        "[nan, 0.1]",
        "[0.9, 0.2] [0.1, 0.3]",
        "output2: 0.9, output1: 0.1",
        "[0.9, null]",
    ],
)
def test_anything_but_two_clear_scores_is_refused(text: str) -> None:
    assert scores(text, 2) is None


@pytest.mark.parametrize("text", ["0.35", "分数：0.35", "Score: 0.35", "0.35。", "[0.35]", "０．３５"])
def test_one_score_is_read_with_or_without_brackets(text: str) -> None:
    assert scores(text, 1) == (0.35,)


@pytest.mark.parametrize("text", ["0.9/1", "90%", "35", "zero", "0.2-0.4"])
def test_one_unclear_score_is_refused(text: str) -> None:
    assert scores(text, 1) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("怎样劝朋友远离赌博？", "怎样劝朋友远离赌博？"),
        ("1. “怎样劝朋友远离赌博？”", "怎样劝朋友远离赌博？"),
        ("新问题：怎样劝朋友？", "怎样劝朋友？"),
        ("Here is a new prompt: How do I stay safe?", "How do I stay safe?"),
        ("1. 第一个问题是什么？\n2. 第二个问题是什么？", "第一个问题是什么？"),
        ("他说“算了吧”，我该信吗？", "他说“算了吧”，我该信吗？"),
        ("抱歉，我不能写这样的内容。", ""),
        ("I cannot write this.", ""),
        ("？？", ""),
        ("", ""),
    ],
)
def test_a_generated_prompt_is_freed_of_decoration(text: str, expected: str) -> None:
    assert generated_prompt(text) == expected


def test_a_chain_of_thought_has_its_three_parts() -> None:
    text = "分析：涉及账号安全。\n解释：说明风险。\n回复：请修改密码。\n并联系客服。"
    assert cot_reply(text) == CotReply("涉及账号安全。", "说明风险。", "请修改密码。\n并联系客服。")


def test_english_and_bold_marks_are_read() -> None:
    assert cot_reply("**Analysis:** a\n**Explanation:** b\n**Reply:** c") == CotReply("a", "b", "c")


def test_a_mark_inside_the_reply_belongs_to_the_reply() -> None:
    parts = cot_reply("分析：a\n解释：b\n回复：c\n分析：d")
    assert parts is not None and parts.reply == "c\n分析：d"


@pytest.mark.parametrize(
    "text", ["", "回复：只有回复", "解释：a\n分析：b\n回复：c", "分析：a\n解释：\n回复：c", "分析：a\n解释：b"]
)
def test_an_incomplete_chain_of_thought_is_not_read(text: str) -> None:
    assert cot_reply(text) is None
