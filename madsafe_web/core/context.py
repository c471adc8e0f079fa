"""What every page's frame shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from madsafe_web.core.views import THEMES


def shell(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get("theme", "auto")
    return {"theme": theme if theme in THEMES else "auto"}
