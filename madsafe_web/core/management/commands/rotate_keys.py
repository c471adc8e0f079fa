"""Encrypt the stored keys anew, after a new encryption key was put in front of MADSAFE_ENCRYPTION_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from madsafe_web.core.crypto import SecretError
from madsafe_web.core.llm.services import secrets_rotate


class Command(BaseCommand):
    help = "Encrypt all stored keys anew with the first of the encryption keys."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = secrets_rotate(user=None)
        except SecretError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{count} stored key{'' if count == 1 else 's'} encrypted with the first encryption key.")
