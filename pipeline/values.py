"""What scoring stages give to the writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ScoreValue:
    """One figure about the prompt of a row (`response` None) or about one of its responses."""

    response: int | None
    value: float
    detail: Mapping[str, Any]
