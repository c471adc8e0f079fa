"""What the API refuses a request for, beside what the framework knows."""

from __future__ import annotations

from typing import Any

from django.forms import Form
from rest_framework.exceptions import APIException, ValidationError


class TooLarge(APIException):
    status_code = 413
    default_detail = "The request is larger than this address takes."


class Conflict(APIException):
    """Somebody else was first, or the thing is not in a state for this. `facts` are added to the problem."""

    status_code = 409

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.facts = facts


class Unprocessable(APIException):
    """The request has the right form but cannot be done. `field` names what is wrong with it."""

    status_code = 422

    def __init__(self, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.field = field


def refused(form: Form) -> ValidationError:
    """The errors of a form of the pages as those of a body."""
    return ValidationError({name: [str(text) for text in texts] for name, texts in form.errors.items()})
