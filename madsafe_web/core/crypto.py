"""Secrets at rest: encrypted with the first of the installation's keys, readable with any of them.

A key is any text of at least 32 characters. To rotate, put a new one in front and run `manage.py rotate_keys`.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

SHORTEST_KEY = 32
PURPOSE = b"madsafe secrets at rest 1"


class SecretError(Exception):
    """A secret that cannot be stored or read. The message says what to do and holds nothing of the secret."""


def encrypt(secret: str) -> str:
    """The secret as text for the database. Raises SecretError without a usable key."""
    return _box().encrypt(secret.encode()).decode()


def decrypt(stored: str) -> str:
    """The secret again. Raises SecretError when none of the keys fits, or there is none."""
    try:
        return _box().decrypt(stored.encode()).decode()
    except InvalidToken:
        raise SecretError(
            "A stored key cannot be read with the encryption keys of this server. "
            "Add the key it was stored with to MADSAFE_ENCRYPTION_KEYS, or enter the secret again."
        ) from None


def rotate(stored: str) -> str:
    """The same secret encrypted with the first key. Raises SecretError."""
    return encrypt(decrypt(stored))


def _box() -> MultiFernet:
    keys = settings.ENCRYPTION_KEYS
    if not keys:
        raise SecretError("There is no encryption key. Run `make setup`, or set MADSAFE_ENCRYPTION_KEYS.")
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    return base64.urlsafe_b64encode(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(key.encode()))
