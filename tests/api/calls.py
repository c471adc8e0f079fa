"""Programs that speak to the API in tests: a token of a user, and what an answer says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from django.test import Client

from madsafe_web.core.access import RIGHTS
from madsafe_web.core.models import ApiToken, AuditEvent, User

PROBLEM = "application/problem+json"
EVERY = tuple(RIGHTS)


def make_token(user: User, key: str = "mads_of_tests", rights: Sequence[str] = EVERY, **values: Any) -> ApiToken:
    """A token with this text."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return ApiToken.objects.create(user=user, digest=digest, hint=key[-4:], rights=list(rights), **values)


class Program(Client):
    """Sends JSON with a token; answers are the test client's."""

    def __init__(self, user: User, rights: Sequence[str] = EVERY) -> None:
        super().__init__(headers={"authorization": f"Bearer mads_{user.username}"})
        self.user, self.token = user, make_token(user, f"mads_{user.username}", rights)

    def ask(self, path: str, **query: Any) -> Any:
        return self.get(f"/api/v1/{path}", query)

    def send(self, path: str, body: Any = None, key: str = "", method: str = "POST") -> Any:
        """A write; `key` is its Idempotency-Key."""
        headers = {"idempotency-key": key} if key else {}
        content = json.dumps({} if body is None else body)
        return self.generic(method, f"/api/v1/{path}", content, "application/json", headers=headers)


def problem(response: Any, status: int) -> dict[str, Any]:
    """The problem that an answer must be."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == PROBLEM
    found: dict[str, Any] = response.json()
    assert found["status"] == status
    assert set(found) >= {"type", "title", "detail"}
    return found


def fields(response: Any, status: int = 400) -> set[str]:
    """The fields that a problem names."""
    return {error["field"] for error in problem(response, status)["errors"]}


def rows(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def verbs() -> list[str]:
    """What the audit record holds, in order."""
    return list(AuditEvent.objects.order_by("sequence").values_list("verb", flat=True))
