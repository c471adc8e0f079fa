"""People, for admins: accounts, roles, one-time passwords and sessions; and the end of one's own tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError as Invalid
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.access import scoped
from madsafe_web.core.accounts import services
from madsafe_web.core.accounts.forms import PersonForm
from madsafe_web.core.accounts.services import PeopleError
from madsafe_web.core.accounts.tokens import token_revoke
from madsafe_web.core.api.errors import Conflict, refused
from madsafe_web.core.api.fields import Body, Choice, Text
from madsafe_web.core.api.house import TokenShown, UserQuery, UserShown
from madsafe_web.core.api.views import ApiView, ListView, NoBody
from madsafe_web.core.models import ApiToken, User


class NewUser(Body):
    username = Text(max_length=150, help_text="Letters, digits and . @ + - _")
    role = Choice(choices=User.Role.choices)


class NewRole(Body):
    role = Choice(choices=User.Role.choices)


class OneTimeShown(serializers.Serializer[Any]):
    user = UserShown()
    password = serializers.CharField(
        allow_null=True, help_text="To be changed at the first sign-in. Given this once: null when it is asked again."
    )


class UserWrite(ApiView):
    read_right = "administer"

    def one_time(self, make: Callable[[], services.OneTime], status: int = 200) -> Response:
        try:
            made = make()
        except PeopleError as error:
            raise Conflict(str(error)) from None
        except Invalid as error:
            raise ValidationError(error.message_dict) from None
        made.user.refresh_from_db()
        return Response(OneTimeShown({"user": made.user, "password": made.password}).data, status=status)

    def changed(self, pk: int, change: Callable[[User], Any]) -> Response:
        user = self.row(User, pk)
        try:
            change(user)
        except PeopleError as error:
            raise Conflict(str(error)) from None
        user.refresh_from_db()
        return Response(UserShown(user).data)


class Users(UserWrite, ListView):
    query_form = UserQuery

    @extend_schema(operation_id="users_list", responses=UserShown(many=True))
    def get(self, request: Request) -> Response:
        """List the people."""
        wanted = {"role": self.asked["role"]} if "role" in self.asked else {}
        return self.page(scoped(self.user, User).filter(**wanted), lambda rows: list(UserShown(rows, many=True).data))

    @extend_schema(operation_id="users_create", request=NewUser, responses={201: OneTimeShown})
    def post(self, request: Request) -> Response:
        """Make an account with a one-time password."""
        form = PersonForm(self.body(NewUser))
        if not form.is_valid():
            raise refused(form)
        return self.once(lambda: self.create(form.cleaned_data), hidden=("password",))

    def create(self, values: dict[str, str]) -> Response:
        return self.one_time(lambda: services.user_create(**values, by=self.user), 201)


class UserOne(UserWrite):
    @extend_schema(operation_id="users_get", responses=UserShown)
    def get(self, request: Request, pk: int) -> Response:
        """Show a person."""
        return Response(UserShown(self.row(User, pk)).data)


class UserRole(UserWrite):
    @extend_schema(operation_id="users_role", request=NewRole, responses=UserShown)
    def post(self, request: Request, pk: int) -> Response:
        """Give a person another role, which holds from their next request on."""
        self.row(User, pk)
        role = self.body(NewRole)["role"]
        return self.once(
            lambda: self.changed(pk, lambda user: services.user_role_set(user=user, role=role, by=self.user))
        )


class UserDisable(UserWrite):
    @extend_schema(operation_id="users_disable", request=NoBody, responses=UserShown)
    def post(self, request: Request, pk: int) -> Response:
        """Shut a person out. Their sessions end, and their tokens are revoked for good."""
        self.body(NoBody)
        return self.once(lambda: self.changed(pk, lambda user: services.user_disable(user=user, by=self.user)))


class UserEnable(UserWrite):
    @extend_schema(operation_id="users_enable", request=NoBody, responses=UserShown)
    def post(self, request: Request, pk: int) -> Response:
        """Let a disabled person sign in again."""
        self.body(NoBody)
        return self.once(lambda: self.changed(pk, lambda user: services.user_enable(user=user, by=self.user)))


class UserSignOut(UserWrite):
    @extend_schema(operation_id="users_sign_out", request=NoBody, responses=UserShown)
    def post(self, request: Request, pk: int) -> Response:
        """End all sessions of a person. Tokens stay."""
        self.body(NoBody)
        return self.once(lambda: self.changed(pk, lambda user: services.sign_out_everywhere(user=user, by=self.user)))


class UserPassword(UserWrite):
    @extend_schema(operation_id="users_password", request=NoBody, responses=OneTimeShown)
    def post(self, request: Request, pk: int) -> Response:
        """Give a person a new one-time password. The old one and all sessions end."""
        self.body(NoBody)
        return self.once(lambda: self.reset(pk), hidden=("password",))

    def reset(self, pk: int) -> Response:
        user = self.row(User, pk)
        return self.one_time(lambda: services.password_reset(user=user, by=self.user))


class TokenRevoke(ApiView):
    write_right = "browse"

    @extend_schema(operation_id="me_tokens_revoke", request=NoBody, responses=TokenShown, tags=["me"])
    def post(self, request: Request, pk: int) -> Response:
        """Revoke one of one's own tokens for good. A token revokes itself only."""
        self.body(NoBody)
        return self.once(lambda: self.revoke(pk))

    def revoke(self, pk: int) -> Response:
        own = scoped(self.user, ApiToken).filter(user=self.user).select_related("user")
        token = self.row(ApiToken, pk, own)
        if isinstance(self.request.auth, ApiToken) and self.request.auth.pk != token.pk:
            raise PermissionDenied("A token revokes itself only. Revoke others in the browser.")
        token_revoke(token=token, by=self.user)
        token.refresh_from_db()
        return Response(TokenShown(token).data)
