"""Lists by key, never by offset: `next` names the last row given, so rows added meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from madsafe_web.core.api.fields import Query

ROWS, MOST_ROWS = 50, 200
LARGEST_ID = 2**63 - 1


class Place(serializers.CharField):
    """An opaque place in a list, as a `next` link gives it."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not 1 <= place_of(text) <= LARGEST_ID:
            raise serializers.ValidationError("This is no place in the list. Take it from a `next` link.")
        return text


def place_of(text: str) -> int:
    """The id that a place means; 0 for a text that is none."""
    try:
        found = int(base64.urlsafe_b64decode(text.encode("ascii") + b"=="))
    except (ValueError, binascii.Error):
        return 0
    return found if place(found) == text else 0


def place(pk: int) -> str:
    return base64.urlsafe_b64encode(str(pk).encode()).decode().rstrip("=")


class ListQuery(Query):
    """What every list takes."""

    cursor = Place(required=False, max_length=40, help_text="Where to go on: taken from a `next` link.")
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_ROWS, default=ROWS, help_text="How many rows to give."
    )
    order = serializers.ChoiceField(
        choices=["-id", "id"], required=False, default="-id", help_text="Newest first (-id) or oldest first (id)."
    )


class Keyset(BasePagination):
    """Pages of a queryset by its primary key; `limit` + 1 rows are read to know whether there are more."""

    following: int | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """The rows of the page that the view's parameters ask for."""
        asked = view.asked
        forward = asked["order"] == "id"
        if "cursor" in asked:
            queryset = queryset.filter(**{"pk__gt" if forward else "pk__lt": place_of(asked["cursor"])})
        rows = list(queryset.order_by("pk" if forward else "-pk")[: asked["limit"] + 1])
        self.request = request
        self.following = rows[asked["limit"] - 1].pk if len(rows) > asked["limit"] else None
        return rows[: asked["limit"]]

    def paginate_sequence(self, rows: Sequence[Any], request: Request, asked: dict[str, Any]) -> list[Any]:
        """The same of values in memory that have an `id`."""
        forward, limit, start = asked["order"] == "id", asked["limit"], asked.get("cursor")
        found = sorted(rows, key=lambda row: row.id, reverse=not forward)
        if start is not None:
            found = [row for row in found if (row.id > place_of(start) if forward else row.id < place_of(start))]
        self.request = request
        self.following = found[limit - 1].id if len(found) > limit else None
        return found[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next_link()})

    def next_link(self) -> str | None:
        """The address of the next page; None on the last one."""
        if self.following is None:
            return None
        return replace_query_param(self.request.build_absolute_uri(), "cursor", place(self.following))

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        following = {"type": "string", "format": "uri", "nullable": True, "description": "The next page; null: none."}
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {"results": schema, "next": following},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return []  # the view's query form has them
