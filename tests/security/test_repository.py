"""No secret stands in the repository: neither one of a known form nor a long random word in a place for a key."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_style import ROOT, tracked

KNOWN = re.compile(
    r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_]{20,}|\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_\w{40,}|\bhf_[A-Za-z0-9]{30,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bxox[abprs]-[\w-]{20,}|\bAIza[\w-]{35}|\bglpat-[\w-]{20}"
    r"|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.|://[^\s/:@\"'{<]+:[^\s/@\"'{<]{6,}@"
)
# A quoted or bare value after a name that holds key, token, secret or password.
ASSIGNED = re.compile(
    r"(?i)[\w-]*(?:key|token|secret|passw(?:or)?d|pwd)[\w-]*[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9+/_=-]{20,})(?![\w(.])"
)
PLANTED = re.compile(r"(?i)canary|:hunter2@|:PASSWORD@")  # what other tests plant to look for, and a place to fill in
BITS = 3.9  # per character: random base64 of 20 has about 4.2, words and identifiers at most 3.7
SKIPPED = (".po", ".mo", ".png", ".svg", ".lock", ".min.js", ".min.css", ".sqlite3", ".gz")


def entropy(text: str) -> float:
    """Shannon entropy of the characters, in bits for each."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def secrets(text: str) -> Iterator[str]:
    """What in a text looks like a secret."""
    yield from (found[0] for found in KNOWN.finditer(text) if not PLANTED.search(found[0]))
    for found in ASSIGNED.finditer(text):
        value = found[1]
        if (
            entropy(value) > BITS
            and not PLANTED.search(value)
            and re.search(r"\d", value)
            and re.search(r"[A-Za-z]", value)
        ):
            yield found[0]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked("*"):
        if not path.name.endswith(SKIPPED) and path.stat().st_size < 2_000_000:
            yield path, path.read_text("utf-8", "ignore")


def test_no_file_holds_a_secret() -> None:
    found = {str(path.relative_to(ROOT)): list(secrets(text)) for path, text in texts()}
    assert {path: values for path, values in found.items() if values} == {}


def test_no_file_of_an_installation_is_tracked() -> None:
    names = {path.name for path in tracked("*")}
    assert not names & {"secret_key", "encryption_keys", ".env", "madsafe.sqlite3", "id_rsa"}


@pytest.mark.parametrize(
    "parts",
    [
        ("OPENAI = 'sk-", "Zx81kQpLw02vTnB7yRcE5mHd'"),
        ("ghp", "_0123456789abcdefghijABCDEFGHIJ012345"),
        ("AKIA", "ABCDEFGHIJ234567"),
        ("-----BEGIN RSA ", "PRIVATE KEY-----"),
        ("postgresql://user:", "hunter22@host/name"),
        ("api_key: ", "q7Zt1xW9vB3nM5kL8pR2sD4f"),
        ('"SECRET_KEY": "', 'q7Zt1xW9vB3nM5kL8pR2sD4f"'),
    ],
)
def test_what_it_looks_for_is_found(parts: tuple[str, str]) -> None:
    assert list(secrets("".join(parts)))


@pytest.mark.parametrize(
    "text", ["key = prompt_key(text)", "token_count: 12345678901234567890", "secret_key = settings.SECRET_KEY"]
)
def test_what_is_none_is_let_through(text: str) -> None:
    assert not list(secrets(text))
