"""What happens around every request: where it comes from, whose language it is in, and that nothing is cached."""

from __future__ import annotations

import secrets
import time
import zoneinfo
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.urls import reverse
from django.utils import timezone, translation

from madsafe_web.core.audit import ADDRESS
from madsafe_web.core.models import User

Handler = Callable[[HttpRequest], HttpResponse]
# Where somebody with a one-time password may go: to change it, or away.
BEFORE_OWN_PASSWORD = {"accounts:password", "accounts:logout", "set-theme", "set-language"}


def client_address(request: HttpRequest) -> str:
    """Where the request comes from, past as many proxies as are ours; a header from farther away is not believed."""
    nearest = request.META.get("REMOTE_ADDR", "")
    passed = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    hops = [*passed, nearest]
    return str(hops[max(0, len(hops) - 1 - settings.TRUSTED_PROXIES)])[:45]


def known_request(get_response: Handler) -> Handler:
    """Give the request an id, which stands in the answer and in the log, and note its address for the audit."""

    def handle(request: HttpRequest) -> HttpResponse:
        request.id = secrets.token_hex(8)  # type: ignore[attr-defined]  # ours, on Django's class
        token = ADDRESS.set(client_address(request))
        try:
            response = get_response(request)
        finally:
            ADDRESS.reset(token)
        response.headers["X-Request-ID"] = request.id  # type: ignore[attr-defined]
        return response

    return handle


class PreferredLocale(LocaleMiddleware):
    """The language and time zone of the person's profile; else the cookie's, the browser's and the server's."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        user = request.user
        if isinstance(user, User):
            if user.language:
                translation.activate(user.language)
                request.LANGUAGE_CODE = translation.get_language()
            if user.time_zone:
                with suppress(zoneinfo.ZoneInfoNotFoundError):  # a server that does not know it shows its own
                    timezone.activate(zoneinfo.ZoneInfo(user.time_zone))

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        timezone.deactivate()
        return super().process_response(request, response)


def own_password(get_response: Handler) -> Handler:
    """Who signed in with a one-time password chooses an own one before anything else."""

    def handle(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_view(request: HttpRequest, view: object, *_: object) -> HttpResponse | None:
        must = isinstance(request.user, User) and request.user.must_change_password
        name = request.resolver_match.view_name if request.resolver_match else ""
        guarded = getattr(view, "login_required", True)  # the API and the sign-in see to it themselves
        return first_own_password(request) if must and guarded and name not in BEFORE_OWN_PASSWORD else None

    handle.process_view = process_view  # type: ignore[attr-defined]  # how Django finds the hook of a function
    return handle


def first_own_password(request: HttpRequest) -> HttpResponse:
    """The way to the form; told to htmx in its own words, since it follows no redirect as a page."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": reverse("accounts:password")})
    return HttpResponseRedirect(reverse("accounts:password"))


def sliding_session(get_response: Handler) -> Handler:
    """Let a session live on while its person does something, with a write every few minutes and not for each request.

    What htmx reads does not count: it may be a page that asks by itself, before which nobody sits any more.
    """

    def handle(request: HttpRequest) -> HttpResponse:
        user = request.user
        acts = request.method == "POST" or not request.headers.get("HX-Request")
        if acts and isinstance(user, User) and user.last_login:
            now = int(time.time())
            # A new session has no mark yet and counts from the sign-in.
            if now - request.session.get("seen", user.last_login.timestamp()) >= settings.SESSION_REFRESH_S:
                request.session["seen"] = now
        return get_response(request)

    return handle


def no_store(get_response: Handler) -> Handler:
    """Pages of signed-in users hold hostile text: no cache keeps them."""

    def handle(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return handle
