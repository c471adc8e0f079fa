"""Dry run: a few rows of another stage, really asked, and what all of its rows would take. Writes none of its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    """Asks `rows` rows of a stage with its parameters (`values`), or of the run `of`, which is not started by it."""

    stage: str = "label"
    values: dict[str, Any] = field(default_factory=dict)
    of: int = 0
    rows: int = 20


STAGE = WholeStage(name="dry_run", params=Params, work="madsafe_web.core.runs.dry:work")
