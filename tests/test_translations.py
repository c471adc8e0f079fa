"""The Chinese catalogue: complete, compiled, and with the same places to fill in as the English texts."""

from __future__ import annotations

import ast
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import polib
import pytest
from django.test import Client
from django.utils import translation

from scripts.messages import APPS, CATALOGUE, METADATA, TEXTS, Message, catalogue, key, of_python, of_template, product

ROOT = Path(__file__).resolve().parents[1]
PLACE = re.compile(r"%\(\w+\)[.\d]*[a-z]|%[sd%]|\{\w*\}")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def entries() -> polib.POFile:
    return catalogue()


def places(text: str) -> Counter[str]:
    return Counter(PLACE.findall(text))


def translations(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


# --- the catalogue ---


def test_the_catalogue_holds_the_texts_of_the_product_and_no_others(entries):
    held, used = {key(entry) for entry in entries}, product()
    assert sorted(used - held) == [], "new texts: run `make messages` and translate them"
    assert sorted(held - used) == [], "texts that are gone: run `make messages`"


def test_every_text_has_a_translation(entries):
    assert [entry.msgid for entry in entries.untranslated_entries()] == []


def test_no_translation_is_a_guess_or_a_leftover(entries):
    assert [entry.msgid for entry in [*entries.fuzzy_entries(), *entries.obsolete_entries()]] == []


def test_translations_have_the_same_places_to_fill_in(entries):
    wrong = [
        entry.msgid
        for entry in entries
        for text in translations(entry)
        if places(text) != places(entry.msgid_plural or entry.msgid)
    ]
    assert wrong == []


def test_a_plural_has_the_one_form_of_chinese(entries):
    assert {tuple(entry.msgstr_plural) for entry in entries if entry.msgid_plural} == {(0,)}


def test_the_compiled_file_is_what_the_catalogue_compiles_to(entries):
    assert CATALOGUE.with_suffix(".mo").read_bytes() == entries.to_binary(), "run `make messages`"


def test_the_catalogue_names_no_date_place_or_person(entries):
    assert dict(entries.metadata) == METADATA
    assert not any(entry.occurrences for entry in entries)


# --- finding the texts ---


def test_a_template_gives_its_texts_as_django_looks_them_up():
    source = """{% load i18n %}{% translate "Base %" %}{% translate 'Open' context "button" as word %}
{% blocktranslate count n=n with total=n|add:1 %}{{ total }} row{% plural %}{{ total }} rows{% endblocktranslate %}"""
    assert set(of_template(source)) == {
        Message("Base %%"),
        Message("Open", "button"),
        Message("%(total)s row", plural="%(total)s rows"),
    }


def test_a_python_file_gives_the_texts_of_its_gettext_calls():
    source = (
        """_("One " "text"), pgettext_lazy("button", "Open"), ngettext("%(n)s row", "%(n)s rows", n), print("No")"""
    )
    assert set(of_python(source)) == {
        Message("One text"),
        Message("Open", "button"),
        Message("%(n)s row", plural="%(n)s rows"),
    }


@pytest.mark.parametrize("app", APPS)
def test_every_gettext_call_is_given_a_literal(app):
    """A text put together at run time would never be found, and so never be translated."""
    wrong = []
    for path in (ROOT / app).rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                wanted = TEXTS.get(call.func.id.removesuffix("_lazy"), ())
                given = call.args[: len(wanted)]
                if not all(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in given):
                    wrong.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert wrong == []


SPELLED = {"MadSafe", "CSV", "JSONL", "sha256", "n", "v"}
SEEN = ("title", "alt", "placeholder", "aria-label")


class Literal(HTMLParser):
    """The words of a template that stand outside every tag of Django's: no catalogue can translate them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.skipping = ""
        gone = re.sub(r"\{#.*?#\}|\{% block body_class %\}.*?\{% endblock %\}", "", source, flags=re.DOTALL)
        gone = re.sub(r"\{% blocktranslate.*?endblocktranslate %\}|\{\{.*?\}\}|\{%.*?%\}", "", gone, flags=re.DOTALL)
        self.feed(gone)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("code", "style", "script", "pre", "kbd") or "lang" in given or given.get("translate") == "no":
            self.skipping = self.skipping or tag
        for name in SEEN:
            self.handle_word(given.get(name) or "")

    def handle_endtag(self, tag: str) -> None:
        self.skipping = "" if tag == self.skipping else self.skipping

    def handle_data(self, data: str) -> None:
        if not self.skipping:
            self.handle_word(data)

    def handle_word(self, text: str) -> None:
        words = (word.strip() for word in re.findall(r"[A-Za-z\u4e00-\u9fff][\w ]*", text))
        self.words += [word for word in words if word not in SPELLED]


@pytest.mark.parametrize("path", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_a_template_holds_no_words_of_its_own(path: Path) -> None:
    assert Literal(path.read_text(encoding="utf-8")).words == []


def test_a_word_outside_the_tags_of_a_template_is_noticed() -> None:
    source = """<p title="Hint">{% if x %}Bare{% endif %} {% translate "Good" %} <code>make run</code> {{ name }}</p>"""
    assert Literal(source).words == ["Hint", "Bare"]


# --- what a reader sees ---


@pytest.mark.django_db
@pytest.mark.parametrize("asked", ["zh", "zh-CN", "zh-Hans"])
def test_a_reader_who_asks_for_chinese_gets_the_sign_in_page_in_chinese(asked):
    page = Client().get("/accounts/login/", headers={"accept-language": asked}, follow=True)
    text = page.content.decode()
    assert '<html lang="zh-hans"' in text
    assert "从攻击中学会防守" in text and "用户名" in text and "Learn defence" not in text


@pytest.mark.django_db
def test_a_wrong_password_is_told_in_chinese():
    page = Client().post("/accounts/login/", {"username": "x", "password": "y"}, headers={"accept-language": "zh"})
    alert = re.search(r'role="alert".*?</p>', page.content.decode(), re.DOTALL)
    assert alert and CHINESE.search(alert[0])


def test_counts_read_the_same_for_one_and_many():
    with translation.override("zh-hans"):
        assert translation.ngettext("%(total)s row", "%(total)s rows", 1) == "%(total)s 条"
        assert translation.ngettext("%(total)s row", "%(total)s rows", 2) == "%(total)s 条"
