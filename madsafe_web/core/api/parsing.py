"""JSON bodies: bounded in size and depth, without anything that the database could not store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from madsafe_web.core.api.errors import TooLarge

DEEPEST = 32


class JsonParser(BaseParser):
    """Strict JSON: no NaN, no lone surrogates, no NUL in texts, at most DEEPEST levels and API_LARGEST_BODY bytes."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The value. Raises TooLarge, or ParseError saying what is wrong."""
        raw = stream.read(settings.API_LARGEST_BODY + 1)
        if len(raw) > settings.API_LARGEST_BODY:
            raise TooLarge()
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None
        check(value)
        return value


def check(value: Any) -> None:
    """Raises ParseError for a text with NUL or for values too deep inside each other."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ParseError(f"The body is nested deeper than {DEEPEST} levels.")
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, str) and "\x00" in one:
                raise ParseError("A text holds the character NUL, which cannot be stored.")
        level = inner
