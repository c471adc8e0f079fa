"""The OpenAPI description: what the views declare, and beside it what holds for every operation."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS

from madsafe_web.core.api.fields import Query, Strict
from madsafe_web.core.api.once import HEADER, REPLAYED
from madsafe_web.core.api.problems import MEDIA_TYPE
from madsafe_web.core.api.views import ApiView

VERSION = "1"
ALWAYS = {
    400: "The request could not be read, or has a field or parameter that cannot be used.",
    401: "No token and no signed-in browser, or a token that is not known, revoked or expired.",
    403: "The person or the token lacks the right, or a browser's request came without its CSRF token.",
    406: "Only JSON is given.",
    500: "An error that nobody expected.",
    503: "The database cannot be reached.",
}
OF_NAMED = {404: "There is no such thing, or it does not exist for this person."}
OF_WRITES = {
    409: "Somebody else was first, it is not in a state for this, or the first request with this key is in work.",
    413: "The body is too large.",
    415: "The body is in a format that is not taken.",
    422: "The request has the right form but cannot be done, or its Idempotency-Key was used for another request.",
}


class FieldProblem(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Dotted place of the field; empty for the whole.")
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """An error, after RFC 9457. Some problems have further members, which their operation names."""

    type = serializers.CharField()
    title = serializers.CharField(help_text="The name of the status.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What happened, in one or two sentences.")
    instance = serializers.CharField(required=False, help_text="The request by its id, which stands in the log too.")
    errors = FieldProblem(many=True, required=False)  # type: ignore[assignment]  # the class keeps fields elsewhere


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "madsafe_web.core.api.authentication.TokenAuthentication"
    name = "token"
    priority = 1

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A personal token, made on the page of your profile: `Authorization: Bearer mads_…`.",
        }


class Operations(AutoSchema):
    """Adds to each operation its right, its parameters, and every error that it can answer with."""

    def get_override_parameters(self) -> list[Any]:
        if self.method in SAFE_METHODS:
            form = ours(self.view).query_form
            return [form] if form is not Query else []
        return [
            OpenApiParameter(
                HEADER,
                {"type": "string", "pattern": "^[!-~]{1,100}$"},
                OpenApiParameter.HEADER,
                description="Your own name for this write: sent again within a day, it is done only once.",
            ),
            OpenApiParameter(
                REPLAYED,
                {"type": "string", "enum": ["true"]},
                OpenApiParameter.HEADER,
                response=[200, 201, 202],
                description="Present on an answer that was given before.",
            ),
        ]

    def get_extensions(self) -> dict[str, Any]:
        return {"x-right": ours(self.view).right(self.method)}

    def get_summary(self) -> str:
        """The first sentence of the method's docstring."""
        return self.get_description().split("\n")[0].split(". ")[0].removesuffix(".")

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        found = super()._get_response_bodies(direction)
        writes = self.method not in SAFE_METHODS
        named = "{" in self.path or ours(self.view).body_names
        common = ALWAYS | (OF_NAMED if named else {}) | (OF_WRITES if writes else {})
        for status, description in sorted(common.items()):
            if str(status) not in found:
                response = OpenApiResponse(Problem, description)
                made = self._get_response_for_code(response, str(status), [MEDIA_TYPE])  # type: ignore[no-untyped-call]  # theirs
                found[str(status)] = made
        return dict(sorted(found.items()))

    def _postprocess_serializer_schema(self, schema: Any, serializer: Any, direction: Any) -> Any:
        found = super()._postprocess_serializer_schema(schema, serializer, direction)  # type: ignore[no-untyped-call]  # theirs
        return {**found, "additionalProperties": False} if isinstance(serializer, Strict) else found


def ours(view: Any) -> ApiView:
    """The view, which is one of ours like every one that is described."""
    assert isinstance(view, ApiView)
    return view


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """The whole OpenAPI document; made once a process, since only a new version of the code changes it."""
    return dict(SchemaGenerator().get_schema(request=None, public=True))
