"""Secrets at rest."""

from __future__ import annotations

from typing import Any

import pytest

from madsafe_web.core import crypto

OLD, NEW = "an old key of more than 32 characters", "a new key of more than 32 characters"


def test_a_secret_comes_back_and_does_not_stand_in_what_is_stored() -> None:
    stored = crypto.encrypt("sk-abc")
    assert "sk-abc" not in stored and crypto.decrypt(stored) == "sk-abc"


def test_a_rotated_secret_needs_the_new_key_alone(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    stored = crypto.encrypt("sk-abc")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    rotated = crypto.rotate(stored)
    settings.ENCRYPTION_KEYS = [NEW]
    assert crypto.decrypt(rotated) == "sk-abc"
    with pytest.raises(crypto.SecretError, match="cannot be read"):
        crypto.decrypt(stored)


def test_without_a_key_nothing_is_stored(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(crypto.SecretError, match="make setup"):
        crypto.encrypt("sk-abc")
