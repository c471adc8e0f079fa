"""How long a session lives, and how the cookies are marked by the address of the site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from madsafe_web.core.models import User
from tests.factories import Person, make_user, sign_in
from tests.test_style import ROOT

FLAGS = """import json, os; os.environ.setdefault("DJANGO_SETTINGS_MODULE", "madsafe_web.settings")
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in %r}))"""
NAMES = [
    "SESSION_COOKIE_NAME",
    "CSRF_COOKIE_NAME",
    *(f"SESSION_COOKIE_{part}" for part in ("SECURE", "HTTPONLY", "SAMESITE", "PATH", "DOMAIN", "AGE")),
    *(f"CSRF_COOKIE_{part}" for part in ("SECURE", "SAMESITE", "PATH", "DOMAIN")),
    "LANGUAGE_COOKIE_SECURE",
    "SECURE_SSL_REDIRECT",
    "SECURE_HSTS_SECONDS",
]


def flags(url: str) -> dict[str, Any]:
    """The settings of a site at this address."""
    done = subprocess.run(
        [sys.executable, "-c", FLAGS % NAMES],
        env={**os.environ, "MADSAFE_URL": url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_on_a_loopback_address_cookies_are_plain(url: str) -> None:
    found = flags(url)
    assert (found["SESSION_COOKIE_NAME"], found["CSRF_COOKIE_NAME"]) == ("sessionid", "csrftoken")
    assert not any(found[f"{kind}_COOKIE_SECURE"] for kind in ("SESSION", "CSRF", "LANGUAGE"))
    assert not found["SECURE_SSL_REDIRECT"] and found["SECURE_HSTS_SECONDS"] == 0


def test_on_every_other_address_cookies_belong_to_the_host_and_go_by_https_only() -> None:
    found = flags("https://madsafe.example.org")
    assert (found["SESSION_COOKIE_NAME"], found["CSRF_COOKIE_NAME"]) == ("__Host-sessionid", "__Host-csrftoken")
    assert all(found[f"{kind}_COOKIE_SECURE"] for kind in ("SESSION", "CSRF", "LANGUAGE"))
    # what a browser asks of a name with __Host-
    assert [found[f"{kind}_COOKIE_PATH"] for kind in ("SESSION", "CSRF")] == ["/", "/"]
    assert [found[f"{kind}_COOKIE_DOMAIN"] for kind in ("SESSION", "CSRF")] == [None, None]
    assert found["SECURE_SSL_REDIRECT"] and found["SECURE_HSTS_SECONDS"] == 31_536_000


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://madsafe.example.org"])
def test_the_session_cookie_is_hidden_from_scripts_and_from_other_sites(url: str) -> None:
    found = flags(url)
    assert found["SESSION_COOKIE_HTTPONLY"]
    assert (found["SESSION_COOKIE_SAMESITE"], found["CSRF_COOKIE_SAMESITE"]) == ("Lax", "Lax")
    assert found["SESSION_COOKIE_AGE"] == 8 * 3600


def test_an_http_address_of_another_host_does_not_start() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        flags("http://madsafe.example.org")
    assert "must be https" in failed.value.stderr


def ends() -> float:
    """Hours until the only session ends."""
    return (Session.objects.get().expire_date - timezone.now()) / timedelta(hours=1)


def idle(person: Person, minutes: int) -> None:
    """As if the person had signed in, and the session been written, so many minutes ago."""
    past = timezone.now() - timedelta(minutes=minutes)
    User.objects.filter(pk=person.user.pk).update(last_login=past)
    Session.objects.update(expire_date=past + timedelta(hours=8))


@pytest.mark.django_db
def test_a_session_lives_eight_hours_from_the_last_act(lead: Person) -> None:
    idle(lead, 7 * 60)
    assert ends() < 1.1
    lead.get("/accounts/profile/")
    assert ends() > 7.9


@pytest.mark.django_db
def test_a_session_that_nobody_used_for_eight_hours_is_over(lead: Person) -> None:
    idle(lead, 8 * 60 + 1)
    assert lead.get("/accounts/profile/").status_code == 302


@pytest.mark.django_db
def test_a_page_that_asks_by_itself_keeps_no_session_alive(lead: Person) -> None:
    idle(lead, 7 * 60)
    lead.get("/runs/", headers={"hx-request": "true"})
    assert ends() < 1.1
    lead.post("/set-theme/", headers={"hx-request": "true"})
    assert ends() > 7.9


@pytest.mark.django_db
def test_a_session_is_not_written_for_each_request(lead: Person) -> None:
    idle(lead, 6)
    lead.get("/accounts/password/")
    with CaptureQueriesContext(connection) as queries:
        lead.get("/accounts/password/")
    assert [one["sql"] for one in queries if not one["sql"].startswith("SELECT")] == []


@pytest.mark.django_db
def test_a_role_holds_from_the_next_request_on(lead: Person) -> None:
    assert lead.get("/training/launch/").status_code == 200
    User.objects.filter(pk=lead.user.pk).update(role=User.Role.REVIEWER)
    assert lead.get("/training/launch/").status_code == 403


@pytest.mark.django_db
def test_a_time_zone_that_the_server_does_not_know_breaks_no_page(lead: Person) -> None:
    User.objects.filter(pk=lead.user.pk).update(time_zone="Moon/Base")
    assert lead.get("/runs/").status_code == 200


@pytest.mark.django_db
def test_the_api_refuses_who_has_a_one_time_password(lead: Person) -> None:
    User.objects.filter(pk=lead.user.pk).update(must_change_password=True)
    answer = lead.get("/api/v1/runs/")
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")


@pytest.mark.django_db
def test_signing_in_anew_begins_a_session_of_its_own() -> None:
    user = make_user("one")
    first, second = sign_in(user), sign_in(user)
    assert first.session.session_key != second.session.session_key
