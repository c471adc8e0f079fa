"""What the server refuses to start with, and what an address decides: commands as real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.installation import Finished, Installation

pytestmark = pytest.mark.slow
HTTPS = {"MADSAFE_URL": "https://safe.example.org"}
SHOWN = (
    *("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DEBUG", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"),
    *("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "SECURE_SSL_REDIRECT"),
    *("SECURE_HSTS_SECONDS", "LLM_ALLOWED_HOSTS"),
)


@pytest.fixture
def bare(tmp_path: Path) -> Installation:
    """An installation without a database, whose commands end by themselves."""
    return Installation(tmp_path / "installation")


def checked(installation: Installation, **env: str) -> Finished:
    return installation.manage("check", "--deploy", "--fail-level", "WARNING", **env)


def values(installation: Installation, **env: str) -> dict[str, Any]:
    """Settings as a process sees them."""
    code = (
        f"import json; from django.conf import settings as s; print(json.dumps({{n: getattr(s, n) for n in {SHOWN}}}))"
    )
    done = installation.manage("shell", "-v0", "-c", code, **env)
    assert done.code == 0, done.err
    return done.summary


def test_the_deployment_check_finds_nothing_at_an_https_address(bare: Installation) -> None:
    done = checked(bare, **HTTPS)
    assert (done.code, done.err.strip()) == (0, ""), done.err
    assert "no issues (0 silenced)" in done.out


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"MADSAFE_SECRET_KEY": ""}, "There is no secret key"),
        ({"MADSAFE_SECRET_KEY": "short"}, "There is no secret key"),
        ({"MADSAFE_SECRET_KEY": "a" * 60}, "There is no secret key"),
        ({"MADSAFE_ENCRYPTION_KEYS": "short"}, "at least 32 characters"),
        ({**HTTPS, "MADSAFE_SECRET_KEY": ""}, "There is no secret key"),
        ({"MADSAFE_URL": "https://*"}, "write it as https://host"),
        ({"MADSAFE_URL": "https://.example.org"}, "write it as https://host"),
        ({"MADSAFE_URL": "https://a.example.org,b.example.org"}, "write it as https://host"),
        ({"MADSAFE_URL": "https://"}, "write it as https://host"),
        ({"MADSAFE_URL": "https://u:p@safe.example.org"}, "write it as https://host"),
        ({"MADSAFE_URL": "https://safe.example.org/madsafe"}, "write it as https://host"),
        ({"MADSAFE_URL": ""}, "write it as https://host"),
        ({"MADSAFE_URL": "http://safe.example.org"}, "must be https"),
        ({"MADSAFE_URL": "http://0.0.0.0:8000"}, "must be https"),
        ({"MADSAFE_URL": "http://10.0.0.1:8000"}, "must be https"),
        ({**HTTPS, "MADSAFE_DEBUG": "true"}, "MADSAFE_DEBUG"),
        ({"MADSAFE_DEBUG": "yes"}, "must be true or false"),
        ({"MADSAFE_LLM_ALLOWED_HOSTS": "*"}, "write host:port"),
        ({"MADSAFE_LLM_ALLOWED_HOSTS": "gpu.lan"}, "write host:port"),
        ({"MADSAFE_LLM_ALLOWED_HOSTS": "gpu.lan:*"}, "write host:port"),
        ({"MADSAFE_LLM_ALLOWED_HOSTS": "10.0.0.0/8:80"}, "write host:port"),
    ],
)
def test_it_does_not_start_with(env: dict[str, str], words: str, bare: Installation) -> None:
    done = checked(bare, **env)
    assert done.code != 0
    assert words in done.err.strip().splitlines()[-1]


def test_an_https_address_gives_secure_cookies_and_one_host(bare: Installation) -> None:
    assert values(
        bare, MADSAFE_URL="https://safe.example.org:8443", MADSAFE_LLM_ALLOWED_HOSTS="GPU.lan:8000,[fd00::1]:80"
    ) == {
        "ALLOWED_HOSTS": ["safe.example.org"],
        "CSRF_TRUSTED_ORIGINS": ["https://safe.example.org:8443"],
        "DEBUG": False,
        "SESSION_COOKIE_NAME": "__Host-sessionid",
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "LLM_ALLOWED_HOSTS": ["gpu.lan:8000", "fd00::1:80"],
    }


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_a_loopback_address_gives_plain_cookies_without_https(url: str, bare: Installation) -> None:
    found = values(bare, MADSAFE_URL=url)
    assert found["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost", "[::1]"]
    assert (found["SESSION_COOKIE_NAME"], found["CSRF_COOKIE_NAME"]) == ("sessionid", "csrftoken")
    assert not any(found[name] for name in SHOWN if name.startswith("SECURE_") or name.endswith("_SECURE"))
    assert found["SESSION_COOKIE_HTTPONLY"] and not found["DEBUG"]
    assert found["LLM_ALLOWED_HOSTS"] == ["127.0.0.1:*", "localhost:*", "::1:*"]
