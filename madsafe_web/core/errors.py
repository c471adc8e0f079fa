"""What the browser and programs get for an error that nobody handled: with the id of the request, which the log has."""

from __future__ import annotations

import logging
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader
from django.utils import translation

from madsafe_web.core.views import THEMES

logger = logging.getLogger(__name__)
RETRY_AFTER_S = 30


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 while the database is away. Django has logged the error itself. Uses no database."""
    status = 503 if database_is_away(sys.exception()) else 500
    request_id = getattr(request, "id", "")
    logger.error("request %s: %s at %s %s", request_id, status, request.method, request.path)
    # The middleware that chooses the language may not have been reached either.
    language = getattr(request, "LANGUAGE_CODE", None) or translation.get_language_from_request(request)
    with translation.override(language):
        answer = _page(request, request_id, status)  # for programs a problem: core.api.problems
    answer.headers["Cache-Control"] = "no-store"  # the middleware that says so may not have been reached
    if status == 503:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def database_is_away(error: BaseException | None) -> bool:
    """Whether the error says that the database cannot be reached or does not answer in time.

    SQLite reports a missing table by the same class; that one does not go away by waiting.
    """
    return isinstance(error, OperationalError | InterfaceError) and not str(error).startswith("no such ")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: the request is broken, too large or meant for another host."""
    return _page(request, getattr(request, "id", ""), 400)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form without its token, in the theme of the browser."""
    return render(request, "403_csrf.html", status=403)


def _page(request: HttpRequest, request_id: str, status: int) -> HttpResponse:
    theme = request.COOKIES.get("theme", "auto")
    context = {"request_id": request_id, "theme": theme if theme in THEMES else "auto"}
    return HttpResponse(loader.get_template(f"{status}.html").render(context), status=status)
