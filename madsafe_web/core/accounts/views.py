"""Signing in and out, and choosing one's own password."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from madsafe_web.core.accounts import services
from madsafe_web.core.accounts.forms import OwnPasswordForm, SignInForm
from madsafe_web.core.audit import audit
from madsafe_web.core.models import User
from madsafe_web.core.people import person
from madsafe_web.core.views import keep_theme

METHODS = ["get", "head", "post", "options"]


class SignIn(LoginView):
    """The same text and the same work (one Argon2) for an unknown name, a wrong password and a disabled account."""

    http_method_names = METHODS
    redirect_authenticated_user = True
    authentication_form = SignInForm

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        user = person(self.request)
        audit(user, "login", user.username)
        keep_theme(response, user.theme)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        # A number when django-axes has counted a failure; not for an empty form, nor for who is locked out already.
        if getattr(self.request, "axes_failures_since_start", None):
            name = form.cleaned_data.get("username", "")
            audit(None, "login.failed", name)
            if getattr(self.request, "axes_locked_out", False):
                audit(None, "login.locked", name)
        return super().form_invalid(form)


def locked_out(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """What django-axes answers after five failures: the form again, saying when to try again."""
    return render(request, "registration/login.html", {"locked_out": True}, status=429)


class SignOut(LogoutView):
    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = request.user
        response = super().post(request, *args, **kwargs)
        if isinstance(user, User):
            audit(user, "logout", user.username)
        return response


class OwnPassword(PasswordChangeView):
    """Change the password; a one-time one is then no longer asked to be changed."""

    http_method_names = METHODS
    template_name = "accounts/password.html"
    success_url = reverse_lazy("overview")
    form_class = OwnPasswordForm

    def form_valid(self, form: OwnPasswordForm) -> HttpResponse:  # type: ignore[override]  # ours, a kind of Django's
        user = person(self.request)
        services.own_password_set(user=user, password=form.cleaned_data["new_password1"])
        update_session_auth_hash(self.request, user)  # this window stays signed in, under a new session key
        messages.success(self.request, _("Your password is changed."))
        return HttpResponseRedirect(self.get_success_url())
