"""Sentences that are stored in English, told in the language of the reader."""

from __future__ import annotations

import pytest
from django.utils import translation

from madsafe_web.core import wording
from madsafe_web.core.wording import is_known, worded


@pytest.mark.parametrize(
    ("stored", "chinese"),
    [
        ("is missing", "缺失"),
        ("prompt is missing", "缺少 prompt"),
        ("is a number, expected a text", "是数字，应为文本"),
        ("has 3 cells, expected 4", "有 3 个单元格，应为 4 个"),
        ("ends the reading of this file: the Parquet data is damaged", "此文件读到这里为止：Parquet 数据已损坏"),
        (
            "a.json, row 3 (line 4): the file ends too early. Import a part of it. Nothing of this file was imported.",
            "a.json，第 3 条（第 4 行）：文件过早结束。请只导入一部分。此文件没有导入任何内容。",
        ),
        ("expected rows with a column of prompts, found an array", "应为有提示词列的行，实际是数组"),
    ],
)
def test_a_stored_sentence_is_told_in_chinese_with_what_fills_its_places(stored: str, chinese: str) -> None:
    with translation.override("zh-hans"):
        assert worded(stored) == chinese


def test_each_line_of_a_text_of_several_sentences_is_told() -> None:
    with translation.override("zh-hans"):
        assert worded("prompt is missing\nNobody wrote this\nis empty") == "缺少 prompt\nNobody wrote this\n为空"


def test_a_line_may_stand_in_what_fills_a_place() -> None:
    with translation.override("zh-hans"):
        assert worded("a\nb is missing") == "缺少 a\nb"


def test_an_english_reader_gets_the_sentence_as_it_is_stored() -> None:
    with translation.override("en"):
        assert worded("prompt is missing") == "prompt is missing"


@pytest.mark.parametrize("text", ["", "Nobody wrote this", "a: b. c", "x" * 5000, "ends the reading of this file: x"])
def test_a_text_that_is_none_of_the_known_sentences_stays_as_it_is(text: str) -> None:
    with translation.override("zh-hans"):
        assert worded(text) == text
    assert not is_known(text)


def test_signs_of_formatting_in_what_fills_a_place_stay_as_they_are() -> None:
    with translation.override("zh-hans"):
        assert worded("%(x)s %s {0} is missing") == "缺少 %(x)s %s {0}"


def test_a_text_that_is_made_up_of_the_words_of_sentences_is_looked_at_a_few_times_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[str] = []
    known = wording._known()
    monkeypatch.setattr(wording, "_known", lambda: looks.append("") or known)
    begun, ended = "ends the reading of this file: ", ". Nothing of this file was imported."
    for text in (begun * 25 + "x" + ended * 25, ": " * 900 + ". " * 90, "a, b: c. d " * 180, "expected , found " * 110):
        assert not is_known(text) or text.startswith("expected")
        assert len(looks) < 200
        looks.clear()


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a: b: c. d. e", {"file": "a", "problem": "b: c", "advice": "d. e"}),
        (": : : b. c", {"file": ": ", "problem": ": b", "advice": "c"}),
        ("a: . c", None),
        ("a: b. ", None),
    ],
)
def test_a_place_holds_one_character_at_least_and_no_more_than_it_has_to(
    text: str, places: dict[str, str] | None
) -> None:
    assert wording._found(text, ["", "file", ": ", "problem", ". ", "advice", ""]) == places
