"""Labels are read in every form that models give them in, and nothing that is no label is taken for one."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madsafe_web.core.llm.label_reply import labels
from madsafe_web.core.llm.parse import label_key
from tests.annotation.clustering.gold import LABELS, needs_data

JSON = [
    ('{"labels": ["诈骗", "歧视"]}', ("诈骗", "歧视")),
    ('{"labels": "诈骗、歧视"}', ("诈骗", "歧视")),
    ('{"label": "诈骗"}', ("诈骗",)),
    ('{"标签": ["诈骗", "歧视"]}', ("诈骗", "歧视")),
    ('[{"label": "诈骗"}, {"label": "歧视"}]', ("诈骗", "歧视")),
    ('[{"label": "Fraud", "confidence": 0.9}, {"label": "Theft", "reason": "asks how"}]', ("Fraud", "Theft")),
    ('[{"name": "Fraud"}, {"name": "Theft"}]', ("Fraud", "Theft")),
    ('{"labels": [{"label": "Fraud", "score": 0.9}]}', ("Fraud",)),
    ('{"labels": [{"name": "Fraud"}, "Theft"]}', ("Fraud", "Theft")),
    ('{"result": {"labels": ["Fraud"]}}', ("Fraud",)),
    ("{'labels': ['Fraud', 'Theft']}", ("Fraud", "Theft")),
    ('labels = ["Fraud", "Theft"]', ("Fraud", "Theft")),
    ('{"labels": ["Fraud",]}', ("Fraud",)),
    ('{"labels": ["Fraud"], "reason": "asks for money, cards"}', ("Fraud",)),
    ('{"reason": "asks", "labels": ["Fraud"]}', ("Fraud",)),
    ('["18+/NSFW", "Hate (general)"]', ("18+/NSFW", "Hate")),
]
FENCED = [
    (
        'Here is the JSON:\n```json\n{"labels": ["Fraud", "Theft"]}\n```\nLet me know if you need more.',
        ("Fraud", "Theft"),
    ),
    ("```\nFraud, Theft\n```", ("Fraud", "Theft")),
    ('```json\n["Fraud", "Theft"]\n```', ("Fraud", "Theft")),
    ("Sure! Here are the labels:\n```\nFraud\nTheft\n```", ("Fraud", "Theft")),
]
THOUGHTS = [
    ("<think>The user asks about fraud, theft, drugs.</think>\nFraud, Theft", ("Fraud", "Theft")),
    ("<think>\n可能是：赌博、毒品\n</think>\n\n诈骗、歧视", ("诈骗", "歧视")),
    ("The text is about gambling.</think>Fraud", ("Fraud",)),
    ("Fraud\n<think>not Theft</think>", ("Fraud",)),
    ("<think>Theft</think><think>Drugs</think>Fraud", ("Fraud",)),
    ("<thinking>drugs</thinking><answer>Fraud</answer>", ("Fraud",)),
]
TABLES = [
    ("| Label |\n|---|\n| Fraud |\n| Theft |", ("Fraud", "Theft")),
    (
        "| # | Label | Reason |\n|---|:---:|---|\n| 1 | Fraud | asks for money |\n| 2 | Theft | takes things |",
        ("Fraud", "Theft"),
    ),
    ("| 序号 | 标签 |\n| --- | --- |\n| 1 | 诈骗 |\n| 2 | 歧视 |", ("诈骗", "歧视")),
    ("| 标签 | 说明 |\n|---|---|\n| 诈骗 | 涉及转账 |", ("诈骗",)),
]
LISTS = [
    ("* Fraud\n* Theft", ("Fraud", "Theft")),
    ("• 诈骗\n• 歧视", ("诈骗", "歧视")),
    ("+ Fraud\n+ Theft", ("Fraud", "Theft")),
    ("1. Fraud\n2. Theft", ("Fraud", "Theft")),
    ("1、诈骗\n2、歧视", ("诈骗", "歧视")),
    ("1、诈骗 2、歧视", ("诈骗", "歧视")),
    ("1. Fraud 2. Theft", ("Fraud", "Theft")),
    ("①诈骗 ②歧视", ("诈骗", "歧视")),
    ("（1）诈骗（2）歧视", ("诈骗", "歧视")),
    ("（1）诈骗；（2）歧视", ("诈骗", "歧视")),
    ("(1) Fraud; (2) Theft", ("Fraud", "Theft")),
    ("一、诈骗\n二、歧视", ("诈骗", "歧视")),
    ("（一）诈骗\n（二）歧视", ("诈骗", "歧视")),
    ("１．诈骗\n２．歧视", ("诈骗", "歧视")),
    ("**Labels:** Fraud, Theft", ("Fraud", "Theft")),
    ("**Labels**: Fraud, Theft", ("Fraud", "Theft")),
    ("**标签：** 诈骗、歧视", ("诈骗", "歧视")),
    ("标签：\n1. 诈骗\n2. 歧视", ("诈骗", "歧视")),
    ("### Labels\n- Fraud\n- Theft", ("Fraud", "Theft")),
    ("## 标签\n- 诈骗", ("诈骗",)),
    ("1. Fraud - asks how to take money\n2. Theft - asks how to steal", ("Fraud", "Theft")),
    ("- **Fraud**: the prompt asks for money.\n- **Theft**: the prompt takes things.", ("Fraud", "Theft")),
    ("#诈骗 #歧视", ("诈骗", "歧视")),
    ("#Fraud #Theft", ("Fraud", "Theft")),
    ("3D printing of weapons", ("3D printing of weapons",)),
    ("18+内容", ("18+内容",)),
    ("一般性标签：日常问题", ("日常问题",)),
    (
        "Labels:\n\n1. **Fraud**\n2. **Theft**\n\nThese labels reflect the request for money and goods.",
        ("Fraud", "Theft"),
    ),
    ("-诈骗\n-歧视", ("诈骗", "歧视")),
]
AROUND = [
    ("诈骗\n歧视", ("诈骗", "歧视")),
    ("Labels: Fraud, Theft", ("Fraud", "Theft")),
    ("Label: Fraud", ("Fraud",)),
    ("标签：诈骗、歧视", ("诈骗", "歧视")),
    ("标签: 诈骗", ("诈骗",)),
    ("标签为：诈骗", ("诈骗",)),
    ("Safety themes: Fraud, Theft", ("Fraud", "Theft")),
    ("Based on the prompt, here are the labels: Fraud, Theft", ("Fraud", "Theft")),
    ("Fraud: asks for money\nTheft: takes things", ("Fraud", "Theft")),
    ("诈骗：文中提到转账\n歧视：文中提到地域", ("诈骗", "歧视")),
    ("Fraud, Theft\n\nExplanation: the prompt asks for money, cards and pins.", ("Fraud", "Theft")),
    ("Fraud, Theft\n\nThe prompt asks for money, cards and pins of others.", ("Fraud", "Theft")),
    ("诈骗、歧视\n\n解释：文中提到了转账、验证码", ("诈骗", "歧视")),
    ("诈骗、歧视\n以上标签基于提示词的内容。", ("诈骗", "歧视")),
    ("Labels: Fraud, Theft.\nReason: asks", ("Fraud", "Theft")),
    ("Output: Fraud", ("Fraud",)),
    ("答案：诈骗", ("诈骗",)),
    ("Answer: Fraud, Theft", ("Fraud", "Theft")),
    ('The labels for this prompt are "Fraud" and "Theft".', ("Fraud", "Theft")),
    ("Label 1: Fraud\nLabel 2: Theft", ("Fraud", "Theft")),
    ("The labels are: Fraud, Theft.", ("Fraud", "Theft")),
    ("诈骗\n说明：文中提到了转账、验证码", ("诈骗",)),
]
PLAIN = [
    ("Fraud | Theft", ("Fraud", "Theft")),
    ("“诈骗”、“歧视”", ("诈骗", "歧视")),
    ('"Fraud", "Theft"', ("Fraud", "Theft")),
    ("「詐騙」「歧視」", ("詐騙", "歧視")),
    ("“诈骗”“歧视”", ("诈骗", "歧视")),
    ("《诈骗》、《歧视》", ("诈骗", "歧视")),
    ("【诈骗】【歧视】", ("诈骗", "歧视")),
    ("‘Fraud’, ‘Theft’", ("Fraud", "Theft")),
    ("‹Fraud›, «Theft»", ("Fraud", "Theft")),
    ("＂诈骗＂，＂歧视＂", ("诈骗", "歧视")),
    ("`Fraud` `Theft`", ("Fraud", "Theft")),
    ("Fraud/Theft", ("Fraud", "Theft")),
    ("诈骗/歧视", ("诈骗", "歧视")),
    ("诈骗／歧视", ("诈骗", "歧视")),
    ("诈骗；歧视", ("诈骗", "歧视")),
    ("Fraud; Theft", ("Fraud", "Theft")),
    ("诈骗｜歧视", ("诈骗", "歧视")),
    ("诈骗（涉及转账）、歧视", ("诈骗", "歧视")),
    ("Fraud (money), Theft", ("Fraud", "Theft")),
    ("Fraud and Theft", ("Fraud and Theft",)),
    ("Violence and harm", ("Violence and harm",)),
    ("Fraud,Theft,", ("Fraud", "Theft")),
    ("AI安全", ("AI安全",)),
    ("COVID-19", ("COVID-19",)),
    ("self-harm", ("self-harm",)),
    ("意图犯罪行为", ("意图犯罪行为",)),
    ("无证驾驶", ("无证驾驶",)),
    ("无意识偏见", ("无意识偏见",)),
    ("日常问题", ("日常问题",)),
    ("General question", ("General question",)),
    ("该提示词的标签是“诈骗”、“隐私泄露”。", ("诈骗", "隐私泄露")),
    ("违法犯罪、心理健康", ("违法犯罪", "心理健康")),
    ("诈骗，歧视,赌博;毒品；邪教", ("诈骗", "歧视", "赌博", "毒品", "邪教")),
    ("这个提示词主要涉及诈骗、歧视。", ("诈骗", "歧视")),
]
NONE = [
    "<think>Fraud, Theft and so on",
    "I cannot help with that.",
    "Sorry, but I can't assist.",
    "很抱歉，我不能帮助你。",
    "对不起，无法完成",
    "我拒绝回答",
    "作为AI助手，我不能",
    "无法回答",
    "无法识别",
    "I’m unable to help",
    "I am unable to tag this.",
    "I must decline",
    "As an AI language model, I cannot",
    "Unfortunately, I cannot do this",
    "I apologize, but no",
    "Cannot comply",
    "No labels",
    "None of the above",
    "未发现安全主题",
    "没有标签",
    "暂无",
    '{"labels": []}',
    "[]",
    "{}",
    "null",
    '""',
    '{"error": "I cannot"}',
    "   \n",
    "```\n```",
    "<think>x</think>",
    "|---|",
    "Labels:",
    "标签：",
    '{"labels": ["I cannot help with that"]}',
    '{"labels": ["无"]}',
    "没有",
    '```json\n["Fraud"',
    "……",
    "这句话很长。它不是标签",
    "字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字",
    '{"labels": ["Fraud", "The',
    '{"primary": "Fraud", "secondary": "Theft"}',
    "Fraud: asks for money",
]


@pytest.mark.parametrize(("text", "expected"), [*PLAIN, *LISTS, *AROUND, *JSON, *FENCED, *THOUGHTS, *TABLES])
def test_labels_are_found_in_every_usual_form(text: str, expected: tuple[str, ...]) -> None:
    assert labels(text) == expected


@pytest.mark.parametrize("text", NONE)
def test_what_holds_no_usable_label_gives_none_at_all(text: str) -> None:
    assert labels(text) == ()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("18+/NSFW", ("NSFW",)),  # a slash separates
        ("Hate (general)", ("Hate",)),  # a gloss is left out
        ("诈骗和歧视", ("诈骗和歧视",)),  # "and" may be a part of a label
        ("Violence and harm", ("Violence and harm",)),
    ],
)
def test_what_may_be_one_label_or_two_is_read_as_documented(text: str, read: tuple[str, ...]) -> None:
    assert labels(text) == read


def test_at_most_eight_labels_are_kept() -> None:
    assert len(labels("、".join(f"主题词{n}号" for n in range(20)))) == 8


def test_the_same_label_in_another_spelling_is_kept_once() -> None:
    assert labels("Crime, CRIME, 隱私, 隐私") == ("Crime", "隱私")


def test_the_answer_behind_long_thoughts_is_read() -> None:
    assert labels(f"<think>{'Gambling, drugs. ' * 5000}</think>\nFraud") == ("Fraud",)


@given(st.text(max_size=200))
def test_labels_of_any_text_keep_their_limits(text: str) -> None:
    found = labels(text)
    assert len(found) <= 8 and all(0 < len(label) <= 40 for label in found)


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "```", "[", "]", "{", "}", '"', "|", "---", "(", "1.", "a", "\n"]))
)
def test_pieces_of_any_form_keep_the_limits_too(parts: list[str]) -> None:
    assert len(labels("".join(parts))) <= 8


@pytest.mark.parametrize("mark", ["<think>", "[", "{", "（", '["a",', "|--", "1. ", "label "])
def test_what_goes_on_for_ever_is_read_all_the_same(mark: str) -> None:
    labels(mark * 20_000)


@pytest.mark.parametrize("reply", ["suicidal intent", "标签：犯罪意图", "1. 成人主题", '{"labels": ["adult themes"]}'])
def test_a_label_that_ends_with_a_word_for_labels_is_one(reply: str) -> None:
    assert len(labels(reply)) == 1


@pytest.mark.parametrize("title", ["Labels", "Safety themes", "主要标签", "安全主题", "意图标签"])
def test_a_title_above_the_labels_is_none(title: str) -> None:
    assert labels(f"{title}\nFraud") == ("Fraud",)


@needs_data
@pytest.mark.parametrize("form", ["{}", "标签：{}", '["{}"]', "Labels: {}, weather"])
def test_every_real_label_without_a_separator_is_read_as_it_is(form: str) -> None:
    lines = (LABELS / "intent_labels_free_text.jsonl").read_text(encoding="utf-8").splitlines()
    names = [json.loads(line)["label"] for line in lines]
    plain = [name for name in names if len(name) <= 40 and not re.search(r"[、，,;；|/:：()（）]|。$", name)]
    assert len(plain) > 300
    assert [name for name in plain if label_key(name) not in map(label_key, labels(form.format(name)))] == []
