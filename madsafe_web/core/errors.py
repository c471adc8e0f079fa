"""The page for an error that nobody expected: with an id that stands in the log too."""

from __future__ import annotations

import logging
import secrets

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template import loader

logger = logging.getLogger(__name__)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django has logged the error itself; this line ties the id on the page to it. Uses no database."""
    error_id = secrets.token_hex(4)
    logger.error("error %s at %s %s", error_id, request.method, request.path)
    return HttpResponseServerError(loader.get_template("500.html").render({"error_id": error_id}))
