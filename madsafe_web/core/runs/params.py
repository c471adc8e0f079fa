"""A stage's parameters: a dataclass, checked when a run is made and frozen on it as JSON."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from madsafe_web.core.runs.errors import ConfigError


def build(cls: type[Any], values: dict[str, Any], *, where: str) -> Any:
    """The dataclass `cls` made of `values`. Raises ConfigError naming `where` and the field that is wrong."""
    from pydantic import TypeAdapter, ValidationError  # here: the web process seldom makes a run

    known = [field.name for field in fields(cls)]
    for name in values:
        if name not in known:
            raise ConfigError(f"{where} has no parameter '{name}'. It knows: {', '.join(known) or 'none'}.")
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: '{name}' is wrong: {first['msg']}.") from error


def freeze(params: Any) -> dict[str, Any]:
    """The parameters as JSON values."""
    return asdict(params)
