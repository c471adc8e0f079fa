"""Every error as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from madsafe_web.core.api.errors import Conflict, TooLarge, Unprocessable
from madsafe_web.core.runs.errors import ConfigError, ParameterError, StageError

MEDIA_TYPE = "application/problem+json"
PREFIX = "/api/"
# What can be said about an error that came about outside of a view of ours.
DETAILS = {
    HTTPStatus.BAD_REQUEST: "The request could not be read.",
    HTTPStatus.FORBIDDEN: "This is not allowed.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is larger than this address takes.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "An error that nobody expected. It is in the log under the id of the request.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The service cannot be used just now. Try again in a moment.",
}
NESTED = "non_field_errors"


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an error in a view; None for one that nobody expected, which Django then logs as a 500."""
    known = translated(error)
    response = exception_handler(known, context)
    if response is None or not isinstance(known, exceptions.APIException):
        return None
    facts = getattr(known, "facts", {})
    facts = {"instance": instance(context["request"]), **facts}
    response.data = problem(response.status_code, *said(known), **facts)
    response.content_type = MEDIA_TYPE
    return response


def translated(error: Exception) -> Exception:
    """Errors of services and of Django as those of the framework; any other one as it is."""
    match error:
        case Http404():
            return exceptions.NotFound("There is no such thing, or it does not exist for you.")
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case ParameterError():
            return Unprocessable(str(error), f"params.{error.field}")
        case ConfigError():
            return Unprocessable(str(error))
        case StageError():
            return Conflict(str(error))
        case RequestDataTooBig():
            return TooLarge()
        case SuspiciousOperation():
            return exceptions.ParseError("The request could not be read.")
    return error


def said(error: exceptions.APIException) -> tuple[str, list[dict[str, str]]]:
    """One sentence, and what is wrong with which field."""
    if isinstance(error, exceptions.ValidationError):
        return "Some fields cannot be used.", list(wrong_fields(error.detail))
    detail = str(error.detail)
    field = getattr(error, "field", "")
    return detail, [{"field": field, "detail": detail}] if field else []


def wrong_fields(detail: Any, at: str = "") -> Iterator[dict[str, str]]:
    """The errors of a serializer, flat, each with the dotted place of its field ("" for the whole)."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            place = at if name == NESTED else f"{at}.{name}" if at else str(name)
            yield from wrong_fields(inner, place)
    elif isinstance(detail, list):
        nested = any(isinstance(inner, dict | list) for inner in detail)
        for number, inner in enumerate(detail):
            yield from wrong_fields(inner, f"{at}.{number}" if nested else at)
    else:
        yield {"field": at, "detail": str(detail)}


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None, **facts: Any) -> dict[str, Any]:
    """The members of a problem; `errors` names the fields that are wrong."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **({"errors": errors} if errors else {}),
        **facts,
    }


def problems_only(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Turn the error pages under /api/ that no view of ours made into problems: 404, 500, a bad host, no database."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith(PREFIX) and response.status_code >= 400 and not isinstance(response, Response):
            write(request, response)
        return response

    return answer


def instance(request: Any) -> str:
    """The request by its id, which stands in the log too."""
    return f"urn:request:{getattr(request, 'id', '')}"


def write(request: HttpRequest, response: HttpResponse) -> None:
    """Put a problem in the place of a page; the headers stay."""
    status = response.status_code
    detail = DETAILS.get(HTTPStatus(status), HTTPStatus(status).phrase)
    response.content = orjson.dumps(problem(status, detail, instance=instance(request)))
    response.headers["Content-Type"] = MEDIA_TYPE
    response.headers["Content-Length"] = str(len(response.content))
    response.headers["Content-Language"] = "en"
