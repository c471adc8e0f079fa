"""Oneself and one's tokens, and for admins the audit record."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.access import RIGHTS, can, scoped
from madsafe_web.core.api.paging import ListQuery
from madsafe_web.core.api.views import ApiView, ListView
from madsafe_web.core.models import ApiToken, AuditEvent, User


class TokenShown(serializers.ModelSerializer[ApiToken]):
    usable = serializers.SerializerMethodField(help_text="Neither revoked nor expired.")
    rights = serializers.ListField(child=serializers.ChoiceField(choices=list(RIGHTS)))

    class Meta:
        model = ApiToken
        fields = ("id", "name", "hint", "rights", "created", "expires", "last_used", "revoked", "usable")
        read_only_fields = fields

    def get_usable(self, token: ApiToken) -> bool:
        return token.revoked is None and (token.expires is None or token.expires > timezone.now())


class Me(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    username = serializers.CharField()
    role = serializers.ChoiceField(choices=User.Role.choices)
    rights = serializers.ListField(child=serializers.ChoiceField(choices=list(RIGHTS)), help_text="Of this request.")
    language = serializers.CharField(allow_blank=True)
    time_zone = serializers.CharField(allow_blank=True)
    token = TokenShown(allow_null=True, help_text="The token of this request; null for a browser.")


class UserShown(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "username", "role", "is_active", "must_change_password", "last_login", "date_joined")
        read_only_fields = fields


class AuditShown(serializers.ModelSerializer[AuditEvent]):
    actor = serializers.CharField(source="actor_name")

    class Meta:
        model = AuditEvent
        fields = ("sequence", "at", "actor", "verb", "subject", "facts", "address", "previous", "sha256")
        read_only_fields = fields


class UserQuery(ListQuery):
    role = serializers.ChoiceField(choices=User.Role.choices, required=False)


class AuditQuery(ListQuery):
    verb = serializers.CharField(required=False, max_length=40)
    actor = serializers.CharField(required=False, max_length=150, help_text="User name.")
    subject = serializers.CharField(required=False, max_length=120, help_text="As the event names it.")
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


AUDIT_FILTERS = {"verb": "verb", "actor": "actor_name", "subject": "subject", "since": "at__gte", "until": "at__lt"}


class MeView(ApiView):
    @extend_schema(operation_id="me_get", responses=Me, tags=["me"])
    def get(self, request: Request) -> Response:
        """Show who asks, and with which rights."""
        user = self.user
        shown = {name: getattr(user, name) for name in ("id", "username", "role", "language", "time_zone")}
        shown |= {"rights": [right for right in RIGHTS if can(user, right)], "token": request.auth}
        return Response(Me(shown).data)


class Tokens(ListView):
    @extend_schema(operation_id="me_tokens_list", responses=TokenShown(many=True), tags=["me"])
    def get(self, request: Request) -> Response:
        """List one's own tokens. New ones are made in the browser, on the page of the profile."""
        rows = scoped(self.user, ApiToken).filter(user=self.user)
        return self.page(rows, lambda found: list(TokenShown(found, many=True).data))


class Audit(ListView):
    read_right = "administer"
    query_form = AuditQuery

    @extend_schema(operation_id="audit_list", responses=AuditShown(many=True))
    def get(self, request: Request) -> Response:
        """List the events of the audit record."""
        wanted = {field: self.asked[name] for name, field in AUDIT_FILTERS.items() if name in self.asked}
        rows = scoped(self.user, AuditEvent).filter(**wanted)
        return self.page(rows, lambda found: list(AuditShown(found, many=True).data))
