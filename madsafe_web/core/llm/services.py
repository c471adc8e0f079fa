"""Changing endpoints and their keys. A key goes in and never comes out again: it is stored encrypted, with its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from madsafe_web.core import crypto
from madsafe_web.core.audit import audit
from madsafe_web.core.llm import options
from madsafe_web.core.llm.endpoints import BACKENDS, FIELDS, RULES, facts, usable_key
from madsafe_web.core.models import Endpoint, User

SHORTEST_WITH_HINT = 12  # of a shorter key the last four characters would tell too much


@sensitive_variables("key")
@transaction.atomic
def endpoint_save(
    *, user: User | None, endpoint: Endpoint | None, values: Mapping[str, Any], key: str | None = None
) -> Endpoint:
    """Make an endpoint, or change one, whose name stays. `key`: None keeps the stored one, "" removes it.

    Raises ValidationError naming the fields, crypto.SecretError where keys cannot be stored.
    """
    row = Endpoint.objects.select_for_update().get(pk=endpoint.pk) if endpoint else Endpoint()
    before = facts(row) if endpoint else None
    stays = {"name": row.name} if endpoint else {}
    for name, value in {**{field: values[field] for field in FIELDS if field in values}, **stays}.items():
        setattr(row, name, value)
    _check(row, before, key)
    row.save()
    after = facts(row)
    if before is None:
        audit(user, "endpoint.create", row.name, after=after)
    elif before != after:
        audit(user, "endpoint.change", row.name, before=before, after=after)
    if key is not None:
        _keep(user, row, key)
    return row


@sensitive_variables("key")
@transaction.atomic
def endpoint_key_set(*, user: User | None, endpoint: Endpoint, key: str) -> None:
    """Store another key. Raises ValidationError for one that cannot be sent, crypto.SecretError."""
    row = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
    _check_key(key)
    _keep(user, row, key)


@transaction.atomic
def endpoint_key_clear(*, user: User | None, endpoint: Endpoint) -> None:
    """Forget the stored key."""
    _keep(user, Endpoint.objects.select_for_update().get(pk=endpoint.pk), "")


@transaction.atomic
def secrets_rotate(*, user: User | None) -> int:
    """Encrypt every stored key anew with the first encryption key, all or none; returns how many there are.

    Those of endpoints and those of webhooks. Raises crypto.SecretError naming whose key cannot be read.
    """
    rows = list(Endpoint.objects.select_for_update().exclude(secret="").order_by("pk"))
    for row in rows:
        row.secret = _rotated(row.secret, f"Endpoint '{row.name}'")
    people = list(User.objects.select_for_update().exclude(hook_secret="").order_by("pk"))
    for person in people:
        person.hook_secret = _rotated(person.hook_secret, f"Webhook of '{person.username}'")
    Endpoint.objects.bulk_update(rows, ["secret"], batch_size=500)
    User.objects.bulk_update(people, ["hook_secret"], batch_size=500)
    count = len(rows) + len(people)
    audit(user, "key.rotate", "endpoints", keys=count)
    return count


def _rotated(stored: str, whose: str) -> str:
    try:
        return crypto.rotate(stored)
    except crypto.SecretError as error:
        raise crypto.SecretError(f"{whose}: {error} No key was changed.") from None


def server(base_url: str) -> str:
    """Scheme, host and port of a base URL as written: a key is entered for these."""
    return "/".join(base_url.lower().split("/")[:3])


def _servers(base_url: str, written: Any) -> set[str]:
    """The servers that a key goes to."""
    return {server(url) for url in options.urls(base_url, written if isinstance(written, dict) else {})}


@sensitive_variables("key")
def _check(row: Endpoint, before: Mapping[str, Any] | None, key: str | None) -> None:
    faults: dict[str, Any] = {}
    if row.backend not in BACKENDS:
        faults["backend"] = _("Choose one of the backends.")
    if row.name == RULES:
        faults["name"] = _("The offline rules are built in and stay as they are.")
    moved = before is not None and not _servers(row.base_url, row.options) <= _servers(
        before["base_url"], before["options"]
    )
    if row.secret and key is None and moved:
        faults["key"] = _("The stored key was entered for another server. Enter it again, or remove it.")
    try:
        if key:
            _check_key(key)
        row.full_clean()
    except ValidationError as error:
        faults = {**error.message_dict, **faults}
    if faults:
        raise ValidationError(faults)


def _check_key(key: str) -> None:
    if not key or not usable_key(key):
        raise ValidationError({"key": _("A key is letters, digits and signs without spaces, at most 500.")})


@sensitive_variables("key")
def _keep(user: User | None, row: Endpoint, key: str) -> None:
    had, before = bool(row.secret), row.secret_hint
    row.secret = crypto.encrypt(key) if key else ""
    row.secret_hint = key[-4:] if len(key) >= SHORTEST_WITH_HINT else ""
    row.save(update_fields=["secret", "secret_hint"])
    done = "removed" if not key else "replaced" if had else "set"
    audit(user, "endpoint.key", row.name, done=done, before=before, after=row.secret_hint)
