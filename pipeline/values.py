"""What scoring stages give to the writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from madsafe_web.core.llm.base import Reply


@dataclass(frozen=True, slots=True)
class ScoreValue:
    """One figure about the prompt of a row (`response` None) or about one of its responses."""

    response: int | None
    value: float
    detail: Mapping[str, Any]


def answered_by(*replies: Reply) -> dict[str, Any]:
    """What `detail` tells of a score whose replies a fallback gave, since a provider refused: the endpoints' names."""
    names = dict.fromkeys(reply.way[-1][0] for reply in replies if reply.way)
    return {"answered_by": list(names)} if names else {}
