"""The table of keys: what it holds, what a person may change in it, and the page for that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template

from madsafe_web.core import keys
from madsafe_web.core.models import User
from tests.factories import Person, make_user

pytestmark = pytest.mark.django_db
TEMPLATES = sorted((Path(__file__).resolve().parents[2] / "templates").rglob("*.html"))
TAG = re.compile(r"\{% key(?:_cap)? (\S+)")
PAGE = "/accounts/keys/"


@pytest.fixture
def user() -> User:
    return make_user()


def drawn(source: str, user: object) -> str:
    return Template("{% load keys %}" + source).render(Context({"user": user}))


# --- the table ---


def test_every_action_stands_in_the_table_once() -> None:
    assert len(keys.BY_ACTION) == len(keys.TABLE)


def test_the_default_keys_are_keys_and_no_two_of_a_place_are_the_same(user: User) -> None:
    keys.keys_set(user=user, keys={one.action: one.key for one in keys.TABLE})
    assert user.keys == {}


def test_the_templates_use_every_action_of_the_table_and_no_other() -> None:
    named = {name for path in TEMPLATES for name in TAG.findall(path.read_text(encoding="utf-8"))}
    fixed = {name.strip('"') for name in named if name.startswith('"')}
    assert named - {f'"{name}"' for name in fixed} == {"category.action", "row.action"}
    assert fixed == {one.action for one in keys.TABLE if not one.action.startswith("merge-category-")}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_a_key_of_its_own(path: Path) -> None:
    assert not re.search(r"data-key=|aria-keyshortcuts|<kbd", path.read_text(encoding="utf-8"))


# --- keys by name ---


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a", "a"),
        (" a ", "a"),
        ("Z", "Shift+z"),
        ("shift+Z", "Shift+z"),
        ("enter", "Enter"),
        (" ", "Space"),
        ("arrowup", "ArrowUp"),
        ("ö", "ö"),
        ("字", "字"),
    ],
)
def test_a_key_is_known_by_its_character_or_name(text: str, key: str) -> None:
    assert keys.as_key(text) == key


@pytest.mark.parametrize("text", ["", "ab", "Tab", "Escape", "Ctrl+a", "Shift+1", "\x00", "F1"])
def test_a_text_that_names_no_key_is_refused(text: str) -> None:
    with pytest.raises(keys.UnknownKey):
        keys.as_key(text)


@pytest.mark.parametrize(
    ("key", "printed"), [("a", "a"), ("Shift+z", "⇧Z"), ("Enter", "↵"), ("+", "+"), ("Home", "Home")]
)
def test_a_key_is_printed_short(key: str, printed: str) -> None:
    assert keys.caption(key) == printed


# --- a person's keys ---


def test_only_what_differs_from_the_table_is_kept(user: User) -> None:
    keys.keys_set(user=user, keys={"review-skip": "x", "review-safe": "1"})
    user.refresh_from_db()
    assert user.keys == {"review-skip": "x"}
    assert keys.keys_of(user)["review-skip"] == "x"
    assert keys.keys_of(user)["review-safe"] == "1"


def test_two_keys_of_a_page_may_be_exchanged(user: User) -> None:
    keys.keys_set(user=user, keys={"review-safe": "2", "review-unsafe": "1"})
    assert keys.keys_of(user)["review-safe"] == "2"


def test_the_same_key_may_do_something_else_on_another_page(user: User) -> None:
    keys.keys_set(user=user, keys={"run-pause": "j"})
    assert keys.keys_of(user)["run-pause"] == keys.keys_of(user)["merge-next"] == "j"


@pytest.mark.parametrize(("action", "key"), [("review-skip", "1"), ("review-skip", "?"), ("search", "z")])
def test_a_key_that_the_page_has_already_is_refused(user: User, action: str, key: str) -> None:
    with pytest.raises(keys.KeyTaken):
        keys.keys_set(user=user, keys={action: key})
    user.refresh_from_db()
    assert user.keys == {}


def test_an_action_that_does_not_exist_is_refused(user: User) -> None:
    with pytest.raises(KeyError):
        keys.keys_set(user=user, keys={"nothing": "x"})


def test_a_key_kept_for_an_action_that_is_gone_does_no_harm() -> None:
    user = User(keys={"gone": "x"})
    assert "gone" not in keys.keys_of(user)


# --- the tags ---


def test_a_button_tells_its_key_to_scripts_and_screen_readers() -> None:
    assert drawn('{% key "run-pause" %}', AnonymousUser()) == (
        'data-key="p" data-key-text="Pause or resume" aria-keyshortcuts="p"'
    )


def test_a_button_has_the_key_of_the_person() -> None:
    user = User(keys={"run-pause": "Shift+b"})
    assert 'data-key="Shift+b"' in drawn('{% key "run-pause" %}', user)
    assert drawn('{% key_cap "run-pause" %}', user) == '<kbd class="opt" aria-hidden="true">⇧B</kbd>'


def test_a_key_is_escaped() -> None:
    assert "&quot;" in drawn('{% key "run-pause" %}', User(keys={"run-pause": '"'}))


# --- the page ---


def test_the_page_shows_every_action_under_its_place(lead: Person) -> None:
    answer = lead.get(PAGE)
    shown = [field.name for place in answer.context["form"].by_place() for field in place["fields"]]
    assert sorted(shown) == sorted(keys.BY_ACTION)


def test_a_key_given_on_the_page_is_on_the_button(reviewer: Person) -> None:
    answer = reviewer.post(PAGE, {"keys": "b"}, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert 'data-key="b"' in reviewer.get("/runs/").content.decode()


def test_a_conflict_is_told_at_the_field_with_the_name_of_the_other(reviewer: Person) -> None:
    answer = reviewer.post(PAGE, {"review-skip": "1"})
    assert answer.status_code == 422
    assert answer.context["form"].errors == {"review-skip": ["1 is the key of “Safe” already."]}
    reviewer.user.refresh_from_db()
    assert reviewer.user.keys == {}


def test_what_is_not_a_key_is_told_at_the_field(reviewer: Person) -> None:
    answer = reviewer.post(PAGE, {"review-skip": "nonsense"})
    assert answer.status_code == 422 and list(answer.context["form"].errors) == ["review-skip"]


def test_the_defaults_can_be_taken_again(reviewer: Person) -> None:
    reviewer.post(PAGE, {"review-skip": "x"})
    reviewer.post(PAGE, {"reset": "all"})
    reviewer.user.refresh_from_db()
    assert reviewer.user.keys == {}


def test_one_person_changes_no_other(reviewer: Person, lead: Person) -> None:
    reviewer.post(PAGE, {"review-skip": "x"})
    lead.user.refresh_from_db()
    assert lead.user.keys == {}
