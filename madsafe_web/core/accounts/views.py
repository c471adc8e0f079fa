"""Signing in, and choosing one's own password."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from madsafe_web.core.audit import audit
from madsafe_web.core.people import person

METHODS = ["get", "head", "post", "options"]


class SignIn(LoginView):
    http_method_names = METHODS
    redirect_authenticated_user = True


def locked_out(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """What django-axes answers after five failures: the form again, saying when to try again."""
    return render(request, "registration/login.html", {"locked_out": True}, status=429)


class OwnPassword(PasswordChangeView):
    """Change the password; a one-time one is then no longer asked to be changed."""

    http_method_names = METHODS
    template_name = "accounts/password.html"
    success_url = reverse_lazy("overview")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        response = super().form_valid(form)
        user = person(self.request)
        user.must_change_password = False
        user.save(update_fields=["must_change_password"])
        audit(user, "user.password", user.username)
        messages.success(self.request, _("Your password is changed."))
        return response
