"""The pages on which admins look after people."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from madsafe_web.core.access import needs, scoped
from madsafe_web.core.accounts import services
from madsafe_web.core.accounts.forms import PersonForm, RoleForm, token_rows
from madsafe_web.core.accounts.services import OneTime, PeopleError
from madsafe_web.core.models import ApiToken, User
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person


def _named(request: HttpRequest, pk: int) -> User:
    return get_object_or_404(scoped(request.user, User), pk=pk)


def _to(user: User) -> HttpResponse:
    return redirect("accounts:user", user.pk)


def _list(request: HttpRequest, form: PersonForm, status: int = 200, made: OneTime | None = None) -> HttpResponse:
    page = newest_first(scoped(request.user, User), request.GET)
    context = {"people": page.rows, "pager": page.pager, "form": form, "made": made}
    return render(request, "accounts/user_list.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("administer")
def users(request: HttpRequest) -> HttpResponse:
    """The list of people; a POST makes a new one and shows the one-time password, once."""
    if request.method != "POST":
        return _list(request, PersonForm())
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _list(request, form, 422)
    try:
        made = services.user_create(**form.cleaned_data, by=person(request))
    except PeopleError as error:
        form.add_error("username", str(error))
        return _list(request, form, 422)
    return _list(request, PersonForm(), made=made)


def _page(request: HttpRequest, user: User, made: OneTime | None = None) -> HttpResponse:
    tokens = newest_first(scoped(request.user, ApiToken).filter(user=user), request.GET)
    context: dict[str, Any] = {
        "shown": user,
        "role_form": RoleForm(initial={"role": user.role}),
        "tokens": token_rows(tokens.rows),
        "pager": tokens.pager,
        "made": made,
    }
    return render(request, "accounts/user_detail.html", context)


@require_safe
@needs("administer")
def user(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _named(request, pk))


@require_POST
@needs("administer")
def user_role(request: HttpRequest, pk: int) -> HttpResponse:
    found = _named(request, pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("There is no such role. Nothing was changed."))
        return _to(found)
    try:
        found = services.user_role_set(user=found, role=form.cleaned_data["role"], by=person(request))
        told = {"name": found.username, "role": found.get_role_display()}
        messages.success(request, _("%(name)s now has the role %(role)s.") % told)
    except PeopleError as error:
        messages.error(request, str(error))
    return _to(found)


@require_POST
@needs("administer")
def user_disable(request: HttpRequest, pk: int) -> HttpResponse:
    found = _named(request, pk)
    try:
        revoked = services.user_disable(user=found, by=person(request))
    except PeopleError as error:
        messages.error(request, str(error))
        return _to(found)
    text = _("%(name)s is disabled.") % {"name": found.username}
    if revoked:
        tokens = ngettext("%(count)s token is revoked for good.", "%(count)s tokens are revoked for good.", revoked)
        text = f"{text} {tokens % {'count': revoked}}"
    messages.success(request, text, extra_tags=f"undo-at {reverse('accounts:user-enable', args=[pk])}")
    return _to(found)


@require_POST
@needs("administer")
def user_enable(request: HttpRequest, pk: int) -> HttpResponse:
    found = _named(request, pk)
    services.user_enable(user=found, by=person(request))
    messages.success(request, _("%(name)s can sign in again.") % {"name": found.username})
    return _to(found)


@require_POST
@needs("administer")
def user_password(request: HttpRequest, pk: int) -> HttpResponse:
    """The page again, with a new one-time password, which is shown this once."""
    found = _named(request, pk)
    made = services.password_reset(user=found, by=person(request))
    found.refresh_from_db()
    return _page(request, found, made)


@require_POST
@needs("administer")
def user_signout(request: HttpRequest, pk: int) -> HttpResponse:
    found = _named(request, pk)
    services.sign_out_everywhere(user=found, by=person(request))
    messages.success(request, _("%(name)s is signed out everywhere.") % {"name": found.username})
    return _to(found)
