"""Who sends a request: the owner of a personal token, or the person whose browser is signed in."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from madsafe_web.core.accounts.tokens import token_digest
from madsafe_web.core.models import ApiToken, User

SCHEME = "Bearer"
LONGEST_TOKEN = 200
NOTED_EVERY = timedelta(minutes=1)  # how exactly `last_used` is kept: not one write a request


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer mads_…`: the token's owner, with no more rights than the token has."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Owner and token; None without the header. Raises AuthenticationFailed, the same for every bad token."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, key = header.partition(" ")
        if not header:
            return None
        token = token_of(key.strip()) if scheme.lower() == SCHEME.lower() else None
        if token is None:
            raise AuthenticationFailed("The token is not known, or it was revoked or has expired.")
        note_use(token)
        token.user.limited_to = frozenset(token.rights)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return f'{SCHEME} realm="api"'


def token_of(key: str) -> ApiToken | None:
    """The usable token with this key. Looked up by its hash, so comparing takes the same time for every wrong key."""
    if not key or len(key) > LONGEST_TOKEN:
        return None
    living = Q(expires=None) | Q(expires__gt=timezone.now())
    tokens = ApiToken.objects.filter(living, revoked=None, user__is_active=True)
    return tokens.select_related("user").filter(digest=token_digest(key)).first()


def note_use(token: ApiToken) -> None:
    now = timezone.now()
    stale = Q(last_used=None) | Q(last_used__lt=now - NOTED_EVERY)
    if token.last_used is None or token.last_used < now - NOTED_EVERY:
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used=now)
