"""Every address as every role: the statuses of tests/roles.py, hidden objects, headers, forged forms, pure reading.

How many requests were made is printed at the end of the test run (tests/plugin.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.http import HttpResponse
from django.test import Client
from django.test.client import ClientHandler
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from madsafe_web.core.models import AuditEvent, AuditHead, User
from tests.hidden import CASES, UNKNOWN, Case
from tests.roles import ADDRESSES, API, METHODS, ROLES, statuses
from tests.world import World, make_world

NAMES = sorted(ADDRESSES)
JSON = "application/json"
HTMX = {"HX-Request": "true"}
ADMIN = "admin:"
# A program reads a file by GET. That it did is noted in the audit record, and nothing else is written.
NOTED = {"api:set-file", "api:map-file"}
OPEN = {"set-theme", "set-language"}  # lead anybody back to where they were
each_address = pytest.mark.parametrize("name", NAMES)
Note = Callable[[str, object], None]


def addresses(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every pattern under the resolver with its full name; a pattern without one raises."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from addresses(entry, f"{prefix}{entry.namespace}:" if entry.namespace else prefix)
        else:
            assert entry.name, f"{entry.pattern} has no name"
            yield f"{prefix}{entry.name}", entry


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.VAR_DIR = tmp_path
    return make_world(tmp_path)


@cache
def handler(forged: bool) -> ClientHandler:
    """One server for all browsers: WhiteNoise lists every static file when one begins, five times as long as a page."""
    return ClientHandler(enforce_csrf_checks=forged)


def browser(role: str, forged: bool = False) -> Client:
    """A new browser in which the person of this role is signed in; for `forged` forms, tokens are checked."""
    client = Client(raise_request_exception=True)
    client.handler = handler(forged)
    if role != "anonymous":
        client.force_login(User.objects.get(username=role))
    return client


def send(client: Client, method: str, address: str, **values: Any) -> HttpResponse:
    """The answer, read to its end."""
    response = client.generic(method, address, **values)
    b"".join(response.streaming_content) if response.streaming else response.content
    return response


def ask(role: str, method: str, name: str, world: World, **values: Any) -> HttpResponse:
    return send(browser(role), method, reverse(name, args=world.get(name, [])), **values)


def tables(name: str = "") -> dict[str, str]:
    """Each table's name and a checksum of all that stands in it."""
    left_out = {AuditEvent, AuditHead} if name in NOTED else set()
    kept = (model for model in apps.get_models(include_auto_created=True) if model not in left_out)
    return {model._meta.label: checksum(model) for model in kept}


def checksum(model: Any) -> str:
    digest = hashlib.sha256()
    for row in model._default_manager.order_by("pk").values_list():
        digest.update(repr([bytes(cell) if isinstance(cell, memoryview) else cell for cell in row]).encode())
    return digest.hexdigest()


def test_the_table_has_every_address_and_no_other() -> None:
    found = {name for name, _ in addresses(get_resolver())}
    assert found == set(ADDRESSES)


def test_every_address_with_arguments_has_an_object(world: World) -> None:
    assert set(WITH_OBJECT) == set(world)


@each_address
def test_every_role_gets_what_the_table_says(name: str, world: World, record_property: Note) -> None:
    wrong, asked = [], 0
    for headers in ({}, HTMX):
        for method in METHODS:
            for role in ROLES:
                response = ask(role, method, name, world, headers=headers)
                asked += 1
                if response.status_code != statuses(name, method, htmx=headers is HTMX)[role]:
                    wrong.append((role, method, dict(headers), response.status_code))
                if role == "anonymous" and response.status_code == 302 and name not in OPEN:
                    assert response.headers["Location"].startswith(reverse("accounts:login"))
                assert_headers(response)
    assert wrong == []
    record_property("permission walk", asked)


@each_address
def test_reading_writes_nothing(name: str, world: World) -> None:
    browsers = [browser(role) for role in ROLES]  # signing in writes
    address = reverse(name, args=world.get(name, []))
    before = tables(name)
    for client in browsers:
        for method in ("GET", "HEAD"):
            send(client, method, address)
    assert tables(name) == before


@each_address
def test_a_form_without_the_token_is_refused(name: str, world: World) -> None:
    browsers = {role: browser(role, forged=True) for role in ROLES}
    address = reverse(name, args=world.get(name, []))
    before = tables()
    for role, client in browsers.items():
        response = send(client, "POST", address)
        # The API takes a token instead of a session: who has neither is not known there.
        assert response.status_code == (401 if statuses(name, "POST")[role] == 401 else 403)
        assert_headers(response)
    assert tables() == before


def assert_headers(response: HttpResponse) -> None:
    """No cache keeps it, and the content policy stands on it, whatever its status."""
    assert "no-store" in response.headers["Cache-Control"]
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in f"{policy};"
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"


# --- objects that are not there, or not for this person ---


WITH_OBJECT = sorted(name for name, entry in addresses(get_resolver()) if entry.pattern.converters)


@pytest.mark.parametrize("name", WITH_OBJECT)
def test_an_unknown_object_is_not_found(name: str, world: World, record_property: Note) -> None:
    address = reverse(name, args=[UNKNOWN if isinstance(one, int) else "nosuch" for one in world[name]])
    asked = 0
    for method in METHODS:
        for role in ROLES[1:]:
            if statuses(name, method)[role] in (403, 405):
                continue
            response = send(browser(role), method, address)
            assert response.status_code == 404
            assert_headers(response)
            asked += 1
    record_property("hidden-object walk", asked)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.what}, {case.method} {case.address}, {case.role}")
def test_a_hidden_object_does_not_exist(case: Case, world: World, record_property: Note) -> None:
    wanted = case.make()
    address = reverse(case.address, args=world.get(case.address, []))
    client = browser(case.role)
    before = tables()
    if case.method == "GET":
        response = client.get(address, wanted.data)
    else:
        response = client.post(address, wanted.data, **({"content_type": JSON} if case.address.startswith(API) else {}))
    assert response.status_code == case.status
    assert not wanted.without or wanted.without not in response.text
    assert tables() == before
    record_property("hidden-object walk", 1)


def test_an_address_that_does_not_exist_is_not_found(world: World) -> None:
    for role in ROLES:
        response = browser(role).get("/nosuch/")
        assert response.status_code == 404
        assert_headers(response)
