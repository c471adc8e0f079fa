"""Searching prompts: any part of the text, on both databases, whatever locale PostgreSQL was made with."""

from __future__ import annotations

import pytest
from django.db import connection

from annotation import searching
from annotation.models import Prompt
from annotation.rows import Candidate
from annotation.services import prompts_add_generated
from annotation.text import folded
from madsafe_web.core.models import Generation
from tests.factories import make_corpus, make_endpoint, make_prompt, make_run

pytestmark = pytest.mark.django_db
TEXTS = (
    "请说明个人隐私，及其保护",
    "請說明個人隱私",
    "ＡＢＣ公司的 Wi-Fi 密码",
    '100% of a_b * c AND "d" isn\'t',
    "one two three",
    "a",
    "它說：「好」",
    "Ünïcode text",
)


@pytest.fixture
def prompts() -> None:
    corpus = make_corpus()
    for text in TEXTS:
        make_prompt(text, corpus)


def found(text: str) -> list[str]:
    return list(searching.matching(Prompt.objects.order_by("id"), text).values_list("text", flat=True))


@pytest.mark.parametrize(
    "wanted",
    [
        "请",
        "说明",
        "说明个",
        "个人隐私",
        "隐私",
        "abc",
        "b",
        "c公",
        "公司的 wi",
        "i-f",
        "密",
        "%",
        "_",
        "*",
        '"',
        "'",
        "and",
    ]
    + [
        "AND",
        "a_b",
        "% o",
        "0% of a_b *",
        "two t",
        "wo",
        "w",
        " ",
        "ü",
        "ünï",
        "：",
        "好」",
        "zzz",
        "不在",
        "-",
        '"d" i',
        "\\",
    ],
)
def test_a_search_finds_every_text_that_holds_the_words(prompts: None, wanted: str) -> None:
    needle = folded(wanted).strip()
    assert found(wanted) == [text for text in TEXTS if needle in folded(text)]


@pytest.mark.parametrize("blank", ["", "  ", "\u3000\n"])
def test_a_blank_search_finds_all(prompts: None, blank: str) -> None:
    assert found(blank) == list(TEXTS)


@pytest.mark.parametrize("text", ["a\0", "\ud800", "的\0说"])
def test_a_text_that_cannot_be_stored_is_not_found(prompts: None, text: str) -> None:
    assert found(text) == []


def test_a_very_long_text_is_compared_whole(prompts: None) -> None:
    make_prompt("说" * 300 + "明", make_corpus("long"))
    assert found("说" * 299 + "明") != []
    assert found("说" * 301 + "明") == []


def test_a_generated_prompt_is_found() -> None:
    run = make_run("augment_keyword")
    Generation.objects.create(call_key="k", run=run, endpoint=make_endpoint(), template_sha="", text="")
    prompts_add_generated(run, [Candidate("生成的问题", (), "k", ())])
    assert found("成的") == ["生成的问题"]


def test_a_prompt_that_was_taken_out_leaves_nothing_in_the_index(prompts: None) -> None:
    ids = list(Prompt.objects.values_list("pk", flat=True))
    searching.forget(ids)
    assert connection.vendor == "postgresql" or found("说明") == []
    Prompt.objects.update(text="", folded="")
    searching.forget(ids)
    assert found("说明") == []


def test_a_rebuilt_index_finds_what_is_stored(prompts: None) -> None:
    Prompt.objects.filter(text="a").update(text="新的", folded="新的")
    searching.rebuild()
    assert found("新") == ["新的"]
    assert found("说明") == list(TEXTS[:2])
