"""Who may do what, and the only way from a user to an object. One table each."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from madsafe_web.core.models import User

R = User.Role
RIGHTS: dict[str, frozenset[str]] = {
    "browse": frozenset({R.ANNOTATOR, R.REVIEWER, R.LEAD, R.ADMIN}),
    "merge": frozenset({R.ANNOTATOR, R.LEAD}),
    "publish": frozenset({R.LEAD}),
    "review": frozenset({R.REVIEWER}),
    "adjudicate": frozenset({R.LEAD}),
    "run": frozenset({R.LEAD}),
    "train": frozenset({R.LEAD}),
    "export": frozenset({R.LEAD}),
    "administer": frozenset({R.ADMIN}),
}

M = TypeVar("M", bound=Model)
Scope = Callable[[User, "QuerySet[Any]"], "QuerySet[Any]"]
SCOPES: dict[type[Model], Scope] = {}


def can(user: Any, right: str) -> bool:
    """Whether the user's role holds the right, and the token where one is used, too.

    Raises KeyError for a right that does not exist.
    """
    roles = RIGHTS[right]
    if not user.is_authenticated:
        return False
    return user.role in roles and (user.limited_to is None or right in user.limited_to)


def scope(model: type[Model]) -> Callable[[Scope], Scope]:
    """Declare, beside a model's app, which rows of it a user may see at all."""

    def register(function: Scope) -> Scope:
        SCOPES[model] = function
        return function

    return register


def scoped(user: Any, model: type[M]) -> QuerySet[M]:
    """The rows of `model` that exist for this user: the only queryset a view starts from."""
    rows = model._default_manager.all()
    return SCOPES[model](user, rows) if model in SCOPES else rows


View = Callable[..., HttpResponse]


def needs(right: str) -> Callable[[View], View]:
    """Let a view be called only with the right; others get 403. Anonymous users never come this far."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not can(request.user, right):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return checked

    return decorate
