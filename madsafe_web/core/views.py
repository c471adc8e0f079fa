"""Theme and language, which anybody may choose; of who is signed in the profile keeps them."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_POST

from madsafe_web.core.accounts.services import preferences_set
from madsafe_web.core.models import User

YEAR_S = 365 * 24 * 3600
THEMES = ("auto", "light", "dark")


def back(request: HttpRequest) -> HttpResponseRedirect:
    """Back to the page named by `next`, if it is one of ours."""
    target = request.POST.get("next", "/")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(target if safe else "/")


def keep_theme(response: HttpResponse, theme: str) -> None:
    """Let the browser say with each request which theme the server is to draw."""
    response.set_cookie("theme", theme, max_age=YEAR_S, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)


@login_not_required
@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    response = back(request)
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        keep_theme(response, theme)
        if isinstance(request.user, User):
            preferences_set(user=request.user, theme=theme)
    return response


@login_not_required
@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    response = back(request)
    language = request.POST.get("language", "")
    if check_for_language(language) and language in dict(settings.LANGUAGES):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=YEAR_S,
            samesite="Lax",
            secure=settings.LANGUAGE_COOKIE_SECURE,
        )
        if isinstance(request.user, User):
            preferences_set(user=request.user, language=language)
    return response
