"""A write that is sent again with the same Idempotency-Key is done once: its answer is kept and given again.

What a write does and its answer are stored in one transaction, so a crash between leaves neither. Only the claim of the
key is written before; one that is left over from a crash is taken over after CLAIM_HOLDS.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.api.errors import Conflict, Unprocessable
from madsafe_web.core.models import IdempotentRequest, User

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
KEY = re.compile(r"[\x21-\x7e]{1,100}")
CLAIM_HOLDS = timedelta(minutes=1)
KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Claim:
    """The hold on a key while its request is in work. `since` tells it from a later claim of the same key."""

    pk: int
    since: datetime

    def store(self, response: Response, hidden: tuple[str, ...] = ()) -> None:
        """Keep an answer, in the transaction of what it tells. Raises Conflict when the claim was taken over."""
        body = orjson.loads(JSONRenderer().render(response.data)) if response.data is not None else None
        if isinstance(body, dict):
            body = {name: None if name in hidden else value for name, value in body.items()}
        if not self._mine().update(status=response.status_code, body=body):
            raise Conflict("This took so long that the request was begun again. Ask for its outcome with the same key.")

    def release(self) -> None:
        """Free the key: nothing was done."""
        self._mine().delete()

    def _mine(self) -> Any:
        return IdempotentRequest.objects.filter(pk=self.pk, created=self.since, status=None)


def claim(request: Request) -> Claim | Response | None:
    """The claim of the request's key, or the answer that it was given before; None without a key.

    Raises ParseError for a key of another form, Unprocessable when the key was used for another request, Conflict while
    the first request is in work.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise ParseError(f"{HEADER} must be 1 to 100 visible ASCII characters.")
    assert isinstance(request.user, User)
    return claimed(request.user, key, digest(request))


@transaction.atomic
def claimed(user: User, key: str, sha256: str) -> Claim | Response:
    """See `claim`."""
    now = timezone.now()
    IdempotentRequest.objects.filter(user=user, key=key, created__lt=now - KEPT).delete()
    row, new = IdempotentRequest.objects.get_or_create(user=user, key=key, defaults={"request_sha256": sha256})
    if new:
        return Claim(row.pk, row.created)
    if row.request_sha256 != sha256:
        raise Unprocessable(f"This {HEADER} was used for another request. Take a new one for each request.")
    if row.status is not None:
        return Response(row.body, status=row.status, headers={REPLAYED: "true"})
    left_over = IdempotentRequest.objects.filter(pk=row.pk, status=None, created__lt=now - CLAIM_HOLDS)
    if not left_over.update(created=now):
        raise Conflict("The first request with this key is still in work. Try again in a moment.")
    return Claim(row.pk, now)


def digest(request: Request) -> str:
    """SHA-256 over method, address and body; of a file its name and content."""
    found = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    plain: Any = request.data
    if isinstance(request.data, Mapping):
        plain = {name: value for name, value in request.data.items() if not isinstance(value, UploadedFile)}
    found.update(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS))
    for name, file in sorted(request.FILES.items()):
        found.update(f"\n{name} {file.name} {file.size}\n".encode())
        for piece in file.chunks():
            found.update(piece)
    return found.hexdigest()


def sweep() -> None:
    """Forget answers after KEPT. Looks before it writes: this is called every few seconds."""
    old = IdempotentRequest.objects.filter(created__lt=timezone.now() - KEPT)
    if old.exists():
        old.delete()
