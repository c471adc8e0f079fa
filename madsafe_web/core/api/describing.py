"""The OpenAPI document, as JSON and as YAML."""

from __future__ import annotations

from typing import Any

from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.api.schema import description
from madsafe_web.core.api.views import ApiView


class SchemaJson(ApiView):
    renderer_classes = (OpenApiJsonRenderer,)

    @extend_schema(operation_id="schema_get", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Show this description as JSON."""
        return Response(description())


class YamlRenderer(OpenApiYamlRenderer):
    """YAML for the description; what goes wrong is JSON all the same."""

    def render(self, data: Any, media_type: str | None = None, renderer_context: Any = None) -> Any:
        if renderer_context["response"].exception:
            return JSONRenderer().render(data)
        return super().render(data, media_type, renderer_context)  # type: ignore[no-untyped-call]  # theirs


class SchemaYaml(ApiView):
    renderer_classes = (YamlRenderer,)

    @extend_schema(operation_id="schema_yaml_get", responses=OpenApiTypes.OBJECT, tags=["schema"])
    def get(self, request: Request) -> Response:
        """Show this description as YAML."""
        return Response(description())
