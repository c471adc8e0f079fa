"""Finding stages by name and resolving what they point to."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from madsafe_web.core.registry import plugins
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.stage import Stage, WholeStage


@lru_cache(maxsize=1)
def stages() -> dict[str, Stage]:
    """Every stage of the installation by its name."""
    found: dict[str, Stage] = {}
    for package in settings.STAGE_PACKAGES:
        found |= plugins(package, "STAGE")
    return found


def stage(name: str) -> Stage:
    """The stage of that name. Raises ConfigError with the names that exist."""
    try:
        return stages()[name]
    except KeyError:
        raise ConfigError(f"There is no stage '{name}'. Known: {', '.join(sorted(stages()))}.") from None


def stages_alone() -> list[str]:
    """The names of the stages beside which no other may be at work."""
    return [name for name, declared in stages().items() if isinstance(declared, WholeStage) and declared.alone]


def point(target: str) -> Callable[..., Any]:
    """The function that "module:function" names."""
    found: Callable[..., Any] = import_string(target.replace(":", "."))
    return found
