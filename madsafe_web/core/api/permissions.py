"""Which right an operation needs: each view names one for reading and one for writing."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from madsafe_web.core.access import can
from madsafe_web.core.models import User


class HasRight(BasePermission):
    """The person, and the token where one is used, holds the right of the view."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """False answers 401 to somebody unknown and 403 to others. Raises PermissionDenied with what is to be done."""
        user = request.user
        if not isinstance(user, User):
            return False
        if user.must_change_password:
            raise PermissionDenied("The password is a one-time one. Sign in with a browser and choose your own first.")
        method = (request.method or "").lower()
        if not hasattr(view, method):
            return True  # the view then says 405
        right = right_of(view, method)
        if not can(user, right):
            raise PermissionDenied(f"This needs the right '{right}', which you or your token do not have.")
        return True


def right_of(view: Any, method: str) -> str:
    """The right that a method of a view needs."""
    return str(view.read_right if method.upper() in SAFE_METHODS else view.write_right)
