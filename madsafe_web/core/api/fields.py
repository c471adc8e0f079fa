"""Fields that take exactly their type, and forms that take exactly their fields."""

from __future__ import annotations

import math
from typing import Any

from rest_framework import serializers

UNKNOWN = "There is no such field here."
LARGEST = 2**53  # the largest whole number that every JSON reader keeps exactly


class Strict(serializers.Serializer[Any]):
    """Refuses fields that it does not know, instead of passing them over in silence."""

    unknown = UNKNOWN

    def to_internal_value(self, data: Any) -> Any:
        if not hasattr(data, "keys"):
            raise serializers.ValidationError({"non_field_errors": ["This must be an object."]})
        if extra := sorted(set(data) - set(self.fields)):
            raise serializers.ValidationError({name: [self.unknown] for name in extra})
        return super().to_internal_value(data)


class Body(Strict):
    """The fields of a JSON body."""


class Query(Strict):
    """The parameters of an address."""

    unknown = "There is no such parameter here."


class Text(serializers.CharField):
    """A JSON string, kept as it is; nothing else is turned into one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A JSON number without a fraction."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": LARGEST, **kwargs})

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float) or data != int(data if finite(data) else 0):
            self.fail("invalid")
        return super().to_internal_value(int(data))


class Number(serializers.FloatField):
    """A JSON number that is finite."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float) or not finite(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false, nothing that merely looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Choice(serializers.ChoiceField):
    """One of some words."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


def finite(value: float) -> bool:
    return math.isfinite(value)
