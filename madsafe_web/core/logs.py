"""The log: one line or one JSON object for each event, with the request or run it belongs to, and nothing secret.

What never reaches it: texts of prompts and replies, keys, bodies, cookies, query strings. Messages of exceptions can
quote any of them (a row that a database refuses, a reply that cannot be read), so only those of a few kinds that speak
of the machine are written; of all others the type and the places in the code are.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]
Facts = dict[str, Any]
ABOUT: ContextVar[Facts | None] = ContextVar("about", default=None)  # what is in work: request, or run and chunk
FIELDS = ("request", "method", "path", "status", "ms", "user", "run", "chunk")
# Their messages name files, hosts and names in the code, never a row.
SPEAKING = (OSError, OperationalError, ImportError, AttributeError, NameError)
LEFT_OUT = "(its message is left out of the log)"
HIDDEN = "[hidden]"
LONGEST = 4000  # characters of one message or traceback line
SECRETS = (
    re.compile(r"\b(?:sk|pk|rk|hf|mads|ghp|xox[abp])[-_][\w-]{6,}"),
    re.compile(r"(?i)(?<=\bbearer )\S+"),
    re.compile(
        r"(?i)(?<![\w-])((?:[\w-]*(?:password|secret|token|api[_-]?key)|authorization|cookie)\w*[\"']?\s*[:=]\s*)"
        r"[\"']?(?:(?:bearer|basic) )?[^\s\"',;]+"
    ),
    re.compile(r"(?<=://)[^\s/@]+(?=@)"),
)
QUERY = re.compile(r"(?<=[\w/%.-])\?[\w%.~+\[\]-]+=[^\s\"'>]*")
logger = logging.getLogger(__name__)


def redact(text: str) -> str:
    """The text without what looks like a key, a password or a query string."""
    for pattern in SECRETS:
        text = pattern.sub(lambda found: f"{found[1] if found.re.groups else ''}{HIDDEN}", text)
    return QUERY.sub("?…", text)


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """What is logged within this block, in this thread, belongs to this run or chunk."""
    token = ABOUT.set({**(ABOUT.get() or {}), **facts})
    try:
        yield
    finally:
        ABOUT.reset(token)


def message(record: logging.LogRecord) -> str:
    """The record's message, redacted and cut. Celery's report of a failed task quotes its exception: only its name."""
    if record.name == "celery.app.trace" and isinstance(record.args, dict) and record.exc_info:
        return f"Task {record.args.get('name')} failed"
    return redact(record.getMessage())[:LONGEST]


def told(error: BaseException | None) -> str:
    """The exception with those that it came from: types, places, and messages only of the kinds that may speak."""
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        said = redact(str(error))[:LONGEST] if isinstance(error, SPEAKING) else LEFT_OUT
        parts.append(f"{places(error.__traceback__)}{type(error).__module__}.{type(error).__qualname__}: {said}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nThat was the cause of:\n".join(reversed(parts))


def places(trace: TracebackType | None) -> str:
    """Where it went through, one place in the code a line; no values of variables."""
    frames = traceback.extract_tb(trace)
    return "".join(f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n' for frame in frames)


def facts_of(record: logging.LogRecord) -> Facts:
    """Those of FIELDS that are known: of the record itself first, else of what is in work."""
    around = ABOUT.get() or {}
    own = getattr(record, "facts", {})
    return {name: value for name in FIELDS if (value := own.get(name, around.get(name))) is not None}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what is known of FIELDS, and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        content: Facts = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": message(record),
            **facts_of(record),
        }
        if record.exc_info:
            content["exception"] = told(record.exc_info[1])
        return orjson.dumps(content, default=str).decode()


class Lines(logging.Formatter):
    """One line of text, the facts behind it, and the places of an exception below it."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in facts_of(record).items())
        said = message(record).replace("\n", "\n  ")
        line = f"{self.formatTime(record)} {record.levelname} {record.name} {said}{f' [{facts}]' if facts else ''}"
        return f"{line}\n{told(record.exc_info[1])}" if record.exc_info else line


def logged_request(get_response: Handler) -> Handler:
    """One line at INFO for each request, without its query, body or cookies; health checks are not told."""

    def handle(request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        with about(request=getattr(request, "id", None), method=request.method, path=request.path[:200]):
            response = get_response(request)
            ms = round((time.perf_counter() - began) * 1000, 1)
            logger.info(
                "request", extra={"facts": {"status": response.status_code, "ms": ms, "user": user_id(request)}}
            )
        return response

    return handle


def user_id(request: HttpRequest) -> int | None:
    """Of the person, where the request has looked for one; asks no database."""
    user = request.__dict__.get("_cached_user") or request.__dict__.get("user")
    known = user.__dict__.get("id") if user is not None and "_wrapped" not in user.__dict__ else None
    return known if isinstance(known, int) else None
