"""A stage's parameters: a dataclass, checked when a run is made and frozen on it as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from madsafe_web.core.runs.errors import ParameterError

LARGEST = 2**53  # whole numbers beyond it are not kept exactly as JSON


def build(cls: type[Any], values: dict[str, Any], *, where: str) -> Any:
    """The dataclass `cls` made of `values`. Raises ParameterError naming `where` and the field that is wrong."""
    from pydantic import TypeAdapter, ValidationError  # here: the web process seldom makes a run

    known = [field.name for field in fields(cls)]
    for name in values:
        if name not in known:
            raise ParameterError(f"{where} has no parameter '{name}'. It knows: {', '.join(known) or 'none'}.", name)
    try:
        made = TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ParameterError(f"{where}: '{name}' is wrong: {first['msg']}.", name) from error
    for name, number in numbers(asdict(made)):
        if not math.isfinite(number) or abs(number) > LARGEST:
            raise ParameterError(f"{where}: '{name}' is wrong: {number} is not a number that can be used.", name)
    return made


def numbers(value: Any, at: str = "") -> Iterator[tuple[str, float]]:
    """Every number in nested lists and mappings with its dotted place."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(inner, f"{at}.{name}" if at else str(name))
    elif isinstance(value, int | float):
        yield at, value


def freeze(params: Any) -> dict[str, Any]:
    """The parameters as JSON values."""
    return asdict(params)
