"""Whatever a text tries to be, it is shown as text: a page has the same elements and attributes as with plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from annotation import label_use
from annotation.text import clean
from madsafe_web.core.models import User
from tests.factories import Person, make_label, make_map, make_prompts, make_upload, make_user, sign_in
from tests.hostile import HOSTILE, PLAIN, Held, make_hostile_world
from tests.roles import ADDRESSES, ROLES, statuses

pytestmark = pytest.mark.django_db
ADDRESSED = {"href", "src", "action", "formaction", "hx-get", "hx-post", "xlink:href"}
each_text = pytest.mark.parametrize("number", range(len(HOSTILE)), ids=lambda number: HOSTILE[number][:24])


@contextmanager
def undone() -> Iterator[None]:
    """What is written inside is taken back at the end, so that the same can be done with another text."""
    label_use.forget()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    label_use.forget()


class Page(HTMLParser):
    """A page taken apart: its elements with the names of their attributes, where they lead to, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: Counter[tuple[str, ...]] = Counter()
        self.targets: set[str] = set()
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape[(tag, *sorted({name for name, _ in attrs}))] += 1
        self.targets.update(value or "" for name, value in attrs if name in ADDRESSED)

    def handle_data(self, data: str) -> None:
        self.text += data


def taken_apart(response: Any) -> Page:
    page = Page(response.content.decode())
    assert not [target for target in page.targets if urlsplit(target).scheme or target.startswith("//")]
    return page


def pages_of(role: str) -> list[str]:
    """The names of all pages of HTML that a role may read."""
    return [
        name for name in sorted(ADDRESSES) if statuses(name, "GET")[role] in (200, 286) and not name.startswith("api:")
    ]


def visited(held: Held) -> Iterator[tuple[str, Page]]:
    """All pages as each role, then the pages of every object with a text of its own as a lead."""
    for role in ROLES:
        client = Client()
        if role != "anonymous":
            client.force_login(User.objects.get(username=role))
        for name in pages_of(role):
            response = client.get(reverse(name, args=held.world.get(name, [])))
            if response.headers["Content-Type"].startswith("text/html"):
                yield f"{name} as {role}", taken_apart(response)
    lead = sign_in(User.objects.get(username="lead"))
    for number, addresses in enumerate(held.pages):
        for name, arguments in addresses:
            yield f"{name} of text {number}", taken_apart(lead.get(reverse(name, args=arguments)))


def test_no_text_becomes_a_part_of_any_page(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    with undone():
        plain = dict(visited(make_hostile_world(tmp_path, PLAIN)))
    hostile = dict(visited(make_hostile_world(tmp_path, HOSTILE)))
    assert hostile.keys() == plain.keys()
    assert {name: more for name, page in hostile.items() if (more := page.shape - plain[name].shape)} == {}


def test_a_prompt_and_its_response_are_shown_letter_by_letter(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    held = make_hostile_world(tmp_path, HOSTILE)
    lead = sign_in(User.objects.get(username="lead"))
    for text, addresses in zip(HOSTILE, held.pages, strict=True):
        for name, arguments in addresses:
            if name == "annotation:prompt":
                assert taken_apart(lead.get(reverse(name, args=arguments))).text.count(clean(text)) >= 2


# --- texts that come with the request ---


def compared(person: Client, number: int, ask: Any) -> None:
    """The answer to a request with the hostile text has the elements of that with the plain one."""
    found = []
    for texts in (HOSTILE, PLAIN):
        with undone():
            found.append(taken_apart(ask(person, texts[number])).shape)
    assert found[0] == found[1]


@each_text
def test_an_address_that_does_not_exist_shows_no_markup(lead: Person, number: int) -> None:
    compared(lead, number, lambda person, text: person.get(f"/nosuch/{quote(text, safe='')}/"))


@each_text
@pytest.mark.parametrize("path", ["/prompts/", "/labels/", "/training/launch/"])
def test_a_query_shows_no_markup(lead: Person, path: str, number: int) -> None:
    names = ("q", "view", "category", "state", "stage", "corpus", "set", "before", "next", "benchmark")
    compared(lead, number, lambda person, text: person.get(path, dict.fromkeys(names, text[:200])))


@each_text
def test_the_filter_of_the_audit_record_shows_no_markup(admin: Person, number: int) -> None:
    names = ("actor", "group", "subject", "since", "until")
    compared(admin, number, lambda person, text: person.get("/audit/", dict.fromkeys(names, text)))


@each_text
def test_a_form_that_comes_back_shows_no_markup(lead: Person, number: int) -> None:
    def upload(person: Client, text: str) -> Any:
        row = make_upload(lead.user, orjson.dumps({"q": text}), text)
        form = {
            "name": text,
            "format": "generic",
            "role": text,
            "licence": text,
            "column": ["q", text],
            "use": "prompt",
        }
        return person.post(f"/corpora/import/{row.token}/", form)

    compared(lead, number, upload)
    compared(lead, number, lambda person, text: person.post("/training/launch/", {"template": text, "seed": text}))


@each_text
def test_the_sign_in_shows_no_markup(db: None, number: int) -> None:
    compared(
        Client(), number, lambda person, text: person.post("/accounts/login/", {"username": text, "password": text})
    )


@each_text
def test_a_conflict_and_a_message_name_a_label_as_text(lead: Person, number: int) -> None:
    def crossed(person: Client, text: str) -> Any:
        label = make_label(text[:60], make_prompts(1))
        make_map({label: "CIA"})
        return person.post("/labels/assign/", {"label": label.pk, "revision": 0, "category": "OFF"})

    compared(lead, number, crossed)


@each_text
def test_the_name_of_a_person_is_text(number: int) -> None:
    named = [sign_in(make_user(texts[number][:150], User.Role.LEAD)) for texts in (HOSTILE, PLAIN)]
    hostile, plain = (taken_apart(person.get("/")) for person in named)
    assert hostile.shape == plain.shape
    assert HOSTILE[number][:150] in hostile.text


def test_the_corpus_has_forty_texts_without_a_character_that_no_database_takes() -> None:
    assert len(set(HOSTILE)) == len(set(PLAIN)) == 40
    assert not [text for text in HOSTILE if "\0" in text]
