"""Every address as every role: the statuses of tests/roles.py, headers, forged forms, and reading that writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from madsafe_web.core.models import AuditEvent, User
from tests.roles import ADDRESSES, API, METHODS, ROLES, statuses
from tests.world import World, make_world

NAMES = sorted(ADDRESSES)
UNKNOWN = 987_654_321
NOTED = {"api:set-file"}  # reading that the audit record notes
each_address = pytest.mark.parametrize("name", NAMES)


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


def browser(role: str, **values: bool) -> Client:
    """A new browser in which the person of this role is signed in."""
    client = Client(raise_request_exception=True, **values)
    if role != "anonymous":
        client.force_login(User.objects.get(username=role))
    return client


def ask(role: str, method: str, name: str, world: World) -> HttpResponse:
    address = reverse(name, args=world.get(name, []))
    response = browser(role).generic(method, address)
    b"".join(response.streaming_content) if response.streaming else response.content
    return response


def row_counts(name: str = "") -> dict[str, int]:
    left_out = {Session, AuditEvent} if name in NOTED else {Session}
    kept = (model for model in apps.get_models() if model not in left_out)
    return {model._meta.label: model._default_manager.count() for model in kept}


def test_the_table_has_every_address_and_no_other() -> None:
    found = {name for name, _ in addresses(get_resolver())}
    assert found == set(ADDRESSES)


def test_every_address_with_arguments_has_an_object(world: World) -> None:
    assert {name for name, entry in addresses(get_resolver()) if entry.pattern.converters} == set(world)


@each_address
def test_every_role_gets_what_the_table_says(name: str, world: World) -> None:
    found = {method: {role: ask(role, method, name, world).status_code for role in ROLES} for method in METHODS}
    assert found == {method: statuses(name, method) for method in METHODS}


@each_address
def test_who_is_not_signed_in_is_sent_to_the_sign_in(name: str, world: World) -> None:
    for method in METHODS:
        if statuses(name, method)["anonymous"] != 302 or name.startswith("set-"):
            continue
        assert ask("anonymous", method, name, world).headers["Location"].startswith(reverse("accounts:login"))


@each_address
def test_reading_writes_nothing(name: str, world: World) -> None:
    before = row_counts(name)
    for role in ROLES:
        ask(role, "GET", name, world)
    assert row_counts(name) == before


@each_address
def test_a_form_without_the_token_is_refused(name: str, world: World) -> None:
    address = reverse(name, args=world.get(name, []))
    before = row_counts()
    for role in ROLES:
        response = browser(role, enforce_csrf_checks=True).post(address)
        assert response.status_code == (401 if name.startswith(API) and role == "anonymous" else 403)
        assert_headers(response)
    assert row_counts() == before


@each_address
def test_no_answer_is_cached_or_without_the_content_policy(name: str, world: World) -> None:
    for method in METHODS:
        for role in ROLES:
            assert_headers(ask(role, method, name, world))


def assert_headers(response: HttpResponse) -> None:
    assert "no-store" in response.headers["Cache-Control"]
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in f"{policy};"
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"


@each_address
def test_an_unknown_object_is_not_found(name: str, world: World) -> None:
    if name not in world:
        return
    arguments = [UNKNOWN if isinstance(one, int) else "nosuch" for one in world[name]]
    address = reverse(name, args=arguments)
    for method in METHODS:
        if statuses(name, method)["lead"] in (403, 405):
            continue
        response = browser("lead").generic(method, address)
        assert response.status_code == 404
        assert_headers(response)


def test_an_address_that_does_not_exist_is_not_found(world: World) -> None:
    for role in ROLES:
        response = browser(role).get("/nosuch/")
        assert response.status_code == 404
        assert_headers(response)
