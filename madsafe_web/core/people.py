"""The person behind a request."""

from __future__ import annotations

from django.http import HttpRequest

from madsafe_web.core.models import User


def person(request: HttpRequest) -> User:
    """The signed-in user. Raises TypeError for an anonymous one, whom the middleware never lets come this far."""
    if not isinstance(request.user, User):
        raise TypeError("nobody is signed in")
    return request.user
