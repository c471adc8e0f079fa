"""What every page's frame shows. Whatever needs the database is looked up only when a page really shows it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from madsafe_web.core.access import can
from madsafe_web.core.method import StepState, step_states
from madsafe_web.core.models import WorkerPulse
from madsafe_web.core.runs.stages import point
from madsafe_web.core.views import THEMES

WORKER_SILENCE = timedelta(seconds=30)  # a worker says every 5 s that it is there
WORKER_COMMAND = "python -m celery -A madsafe_web.celery worker --pool threads --concurrency 4"
# Beginning of a view's name, the entry of the main navigation it belongs to, and its step of the method (0 = none).
PLACES = (
    ("overview", "overview", 0),
    ("annotation:corp", "prompts", 1),
    ("annotation:upload", "prompts", 1),
    ("annotation:prompt", "prompts", 0),
    ("annotation:distributions", "prompts", 0),
    ("annotation:review", "review", 10),
    ("annotation:", "labels", 3),
    ("runs:", "runs", 0),
    ("templates:", "runs", 0),
    ("dry:", "runs", 0),
    ("pipeline:set", "sets", 8),
    ("pipeline:training", "training", 9),
    ("evaluation:", "results", 10),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """The frame's context. A view's own value of the same name wins, as `method_current` on the page of a run."""
    match = request.resolver_match
    nav, current = place(match.view_name if match else "")
    user = getattr(request, "user", None)  # an error may come before the middleware that sets it
    found = {"theme": theme_of(request, user), "nav": nav, "method_current": current}
    if user is None or not user.is_authenticated:
        nothing = {"review_count": 0, "method_steps": [], "offline_rules": False, "no_worker": False, "user_role": ""}
        return found | nothing
    steps: Any = SimpleLazyObject(step_states)
    return found | {
        "review_count": SimpleLazyObject(lambda: review_count(user)),
        "method_steps": steps,
        "offline_rules": SimpleLazyObject(lambda: rests_on_rules(steps)),
        "no_worker": SimpleLazyObject(no_worker),
        "worker_command": WORKER_COMMAND,
        "user_role": user.get_role_display(),
    }


def theme_of(request: HttpRequest, user: Any) -> str:
    """The theme that the browser's cookie names, else that of the profile: the server draws it, so nothing flashes."""
    theme = request.COOKIES.get("theme", "")
    return theme if theme in THEMES else getattr(user, "theme", "auto")


def place(view_name: str) -> tuple[str, int]:
    """Entry of the main navigation and step of the method of a view; "" and 0 for one that belongs to none."""
    return next(((nav, step) for start, nav, step in PLACES if view_name.startswith(start)), ("", 0))


def review_count(user: Any) -> int:
    """Open review items for this user; the setting names the function, since the core knows no app above it."""
    return int(point(settings.SHELL_REVIEW_COUNT)(user)) if can(user, "review") else 0


def rests_on_rules(steps: list[StepState]) -> bool:
    """Whether any current result comes from the offline rules."""
    return any(run.offline_rules for step in steps for run in step.runs)


def no_worker() -> bool:
    """Whether no worker was heard lately, by the clock of the database: what is started then only waits."""
    return not WorkerPulse.objects.filter(at__gt=Now() - WORKER_SILENCE).exists()
