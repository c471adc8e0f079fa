"""Endpoints, for admins. A key goes in and never comes out again."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as Invalid
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import Unprocessable
from madsafe_web.core.api.fields import Body, Choice, Text, Whole
from madsafe_web.core.api.views import ApiView, ListView
from madsafe_web.core.crypto import SecretError
from madsafe_web.core.llm.endpoints import LONGEST_KEY, RULES
from madsafe_web.core.llm.forms import BACKEND_CHOICES
from madsafe_web.core.llm.services import endpoint_save
from madsafe_web.core.models import Endpoint

MOST_CALLS = 10_000


class EndpointShown(serializers.ModelSerializer[Endpoint]):
    """A language model. Its key is never shown; `key_hint` are its last characters."""

    has_key = serializers.SerializerMethodField(help_text="A key is stored.")
    key_hint = serializers.CharField(source="secret_hint")

    class Meta:
        model = Endpoint
        fields = (
            *("id", "name", "backend", "base_url", "model", "key_env"),
            *("has_key", "key_hint", "concurrency", "options", "fallback"),
        )
        read_only_fields = fields

    def get_has_key(self, endpoint: Endpoint) -> bool:
        return bool(endpoint.secret)


class EndpointChange(Body):
    backend = Choice(choices=BACKEND_CHOICES, required=False)
    base_url = Text(max_length=300, required=False, allow_blank=True, help_text="Of a served model.")
    model = Text(
        max_length=300, required=False, allow_blank=True, help_text="The name that the server knows, or its folder."
    )
    key_env = Text(
        max_length=80, required=False, allow_blank=True, help_text="Environment variable of the worker with the key."
    )
    concurrency = Whole(required=False, min_value=1, max_value=MOST_CALLS, help_text="Calls at the same time.")
    options = serializers.DictField(required=False)
    fallback = Text(
        max_length=60,
        required=False,
        allow_blank=True,
        help_text="Name of the endpoint that is asked what this one's provider refuses; empty for none.",
    )
    key = Text(
        required=False,
        allow_blank=True,
        max_length=LONGEST_KEY,
        write_only=True,
        help_text="Stored encrypted and never shown again; empty removes the stored one.",
    )


class NewEndpoint(EndpointChange):
    name = Text(max_length=60, help_text="Runs refer to it by this name, so it stays.")
    backend = Choice(choices=BACKEND_CHOICES)


class EndpointWrite(ApiView):
    read_right = "administer"

    @sensitive_variables("values")
    def save(self, endpoint: Endpoint | None, values: dict[str, Any]) -> Response:
        """Make or change an endpoint. Raises ValidationError naming the fields, Unprocessable without encryption."""
        key = values.pop("key", None)
        try:
            saved = endpoint_save(user=self.user, endpoint=endpoint, values=values, key=key)
        except Invalid as error:
            raise ValidationError(error.message_dict) from None
        except SecretError as error:
            raise Unprocessable(str(error), "key") from None
        return Response(EndpointShown(saved).data, status=200 if endpoint else 201)


class Endpoints(EndpointWrite, ListView):
    @extend_schema(operation_id="endpoints_list", responses=EndpointShown(many=True))
    def get(self, request: Request) -> Response:
        """List the endpoints."""
        return self.page(scoped(self.user, Endpoint), lambda rows: list(EndpointShown(rows, many=True).data))

    @extend_schema(operation_id="endpoints_create", request=NewEndpoint, responses={201: EndpointShown})
    def post(self, request: Request) -> Response:
        """Make an endpoint."""
        values = self.body(NewEndpoint)
        return self.once(lambda: self.save(None, values))


class EndpointOne(EndpointWrite):
    @extend_schema(operation_id="endpoints_get", responses=EndpointShown)
    def get(self, request: Request, pk: int) -> Response:
        """Show an endpoint."""
        return Response(EndpointShown(self.row(Endpoint, pk)).data)

    @extend_schema(operation_id="endpoints_change", request=EndpointChange, responses=EndpointShown)
    def patch(self, request: Request, pk: int) -> Response:
        """Change an endpoint. What is left out stays; the offline rules are built in."""
        values = self.body(EndpointChange)
        row = self.row(Endpoint, pk, scoped(self.user, Endpoint).exclude(name=RULES))
        return self.once(lambda: self.save(row, values))
