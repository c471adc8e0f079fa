"""The pages on which everybody looks after themselves: profile and tokens."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from madsafe_web.core.access import needs, scoped
from madsafe_web.core.accounts import services, tokens
from madsafe_web.core.accounts.forms import ProfileForm, TokenForm, token_rows
from madsafe_web.core.accounts.services import PeopleError
from madsafe_web.core.accounts.tokens import NewToken
from madsafe_web.core.models import ApiToken
from madsafe_web.core.paging import newest_first
from madsafe_web.core.people import person
from madsafe_web.core.views import keep_theme


@require_http_methods(["GET", "HEAD", "POST"])
@needs("browse")
def profile(request: HttpRequest) -> HttpResponse:
    """Language, theme and time zone, with the ways to password, keys and tokens."""
    user = person(request)
    chosen = {name: getattr(user, name) for name in ("language", "theme", "time_zone")}
    form = ProfileForm(request.POST) if request.method == "POST" else ProfileForm(initial=chosen)
    if not form.is_bound:
        return render(request, "accounts/profile.html", {"form": form})
    if not form.is_valid():
        return render(request, "accounts/profile.html", {"form": form}, status=422)
    services.preferences_set(user=user, **form.cleaned_data)
    if user.language:
        translation.activate(user.language)  # the message is read on the next page
    messages.success(request, _("Your profile is saved."))
    response = redirect("accounts:profile")
    keep_theme(response, user.theme)
    return response


@require_POST
@needs("browse")
def signout_everywhere(request: HttpRequest) -> HttpResponse:
    """End all sessions of who asks, this one too."""
    user = person(request)
    services.sign_out_everywhere(user=user, by=user)
    logout(request)
    return redirect("accounts:login")


def _tokens(request: HttpRequest, form: TokenForm, status: int = 200, made: NewToken | None = None) -> HttpResponse:
    page = newest_first(scoped(request.user, ApiToken).filter(user=person(request)), request.GET)
    context = {"tokens": token_rows(page.rows), "pager": page.pager, "form": form, "made": made}
    return render(request, "accounts/tokens.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("browse")
def own_tokens(request: HttpRequest) -> HttpResponse:
    """One's own tokens; a POST makes a new one and shows it, once."""
    user = person(request)
    if request.method != "POST":
        return _tokens(request, TokenForm(user))
    form = TokenForm(user, request.POST)
    if not form.is_valid():
        return _tokens(request, form, 422)
    try:
        made = tokens.token_create(user=user, **form.values())
    except PeopleError as error:
        form.add_error(None, str(error))
        return _tokens(request, form, 422)
    return _tokens(request, TokenForm(user), made=made)


@require_POST
@needs("browse")
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke a token: one's own, or for admins anybody's."""
    rows = scoped(request.user, ApiToken).select_related("user")
    token, user = get_object_or_404(rows, pk=pk), person(request)
    tokens.token_revoke(token=token, by=user)
    messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return redirect("accounts:tokens") if token.user_id == user.pk else redirect("accounts:user", token.user_id)
