"""Keys, search form, language and cleaning of texts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.text import clean, folded, language, mc_key, prompt_key, response_key

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
WIDE = st.text(
    st.sampled_from("a\u0301\u3099か\uff76\uff9e\u1100\u1161\uac00ﬁ①（Ａ，\u3000 \n中體\u00a8\u0344"), max_size=12
)


def test_a_prompt_key_has_16_bytes() -> None:
    assert len(prompt_key("文本")) == 16


@pytest.mark.parametrize("same", ["问题，Ａ１？", "问题,A1?", " 问题,A1?\n", "问题,A1?\u3000"])
def test_width_and_outer_blanks_do_not_change_the_key(same: str) -> None:
    assert prompt_key(same) == prompt_key("问题,A1?")


@pytest.mark.parametrize("other", ["问题 A", "问题a", "問題A", "问题A。"])
def test_inner_blanks_case_script_and_punctuation_change_the_key(other: str) -> None:
    assert prompt_key(other) != prompt_key("问题A")


@given(st.one_of(TEXT, WIDE))
def test_the_fast_way_to_the_key_equals_plain_nfkc(text: str) -> None:
    assert prompt_key(text) == prompt_key(" ".join(unicodedata.normalize("NFKC", text).split()))


def test_the_same_question_with_other_options_is_another_item() -> None:
    assert mc_key("问题", ["是", "否"]) != mc_key("问题", ["是", "不"])


def test_the_border_between_question_and_options_counts() -> None:
    assert mc_key("问题 是", ["否"]) != mc_key("问题", ["是", "否"]) != mc_key("问题", ["是 否"])


def test_a_response_key_folds_white_space_only() -> None:
    assert response_key("\n\n好的，  可以。") == response_key("好的， 可以。")
    assert response_key("好的，可以") != response_key("好的,可以")


@pytest.mark.parametrize(
    ("text", "search"), [("體", "体"), ("ＡＢｃ", "abc"), ("①㎏", "1kg"), ("Straße，", "strasse,")]
)
def test_search_form_is_simplified_narrow_and_lower(text: str, search: str) -> None:
    assert folded(text) == search


@given(TEXT)
def test_folding_composed_and_decomposed_text_gives_the_same(text: str) -> None:
    assert folded(unicodedata.normalize("NFD", text)) == folded(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("请解释一下安全的含义。", "zh"),
        ("请用Python写一个排序函数", "zh"),
        ("What does safety mean?", "en"),
        ("翻译：the cat sat on the mat", "mixed"),
        ("これは日本語の文章です", "other"),
        ("Это вопрос", "other"),
        ("12345 !?", "other"),
        ("", "other"),
    ],
)
def test_the_language_is_told_by_script(text: str, expected: str) -> None:
    assert language(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\n回答", "回答"),
        ("n\n回答", "回答"),
        ("n\n\n回答", "回答"),
        ("\ufeff问题\u00a0", "问题"),
        ("问\u200b题\u3000", "问题"),
        ("no\nchange inside", "no\nchange inside"),
        ("第一行\n\n第二行", "第一行\n\n第二行"),
        ("👩\u200d🔬", "👩\u200d🔬"),
    ],
)
def test_cleaning_takes_edges_and_stray_leads_only(text: str, expected: str) -> None:
    assert clean(text) == expected


@given(st.text(st.sampled_from("n\n \ufeff\u200b\u200d\u3000中a"), max_size=12))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)
