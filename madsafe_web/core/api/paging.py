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
    """An opaque place in a list: it comes from a `next` link and means an id."""

    def to_internal_value(self, data: Any) -> Any:
        text = str(super().to_internal_value(data))
        try:
            found = int(base64.urlsafe_b64decode(text.encode("ascii") + b"=="))
        except (ValueError, binascii.Error, UnicodeEncodeError):
            found = 0
        if not 1 <= found <= LARGEST_ID or place(found) != text:
            raise serializers.ValidationError("This is no place in the list. Take it from a `next` link.")
        return found


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
            queryset = queryset.filter(**{"pk__gt" if forward else "pk__lt": asked["cursor"]})
        rows = list(queryset.order_by("pk" if forward else "-pk")[: asked["limit"] + 1])
        self.request = request
        self.following = rows[asked["limit"] - 1].pk if len(rows) > asked["limit"] else None
        return rows[: asked["limit"]]

    def paginate_sequence(self, rows: Sequence[Any], request: Request, asked: dict[str, Any]) -> list[Any]:
        """The same of values in memory that have an `id`."""
        forward, limit, start = asked["order"] == "id", asked["limit"], asked.get("cursor")
        found = sorted(rows, key=lambda row: row.id, reverse=not forward)
        if start is not None:
            found = [row for row in found if (row.id > start if forward else row.id < start)]
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
