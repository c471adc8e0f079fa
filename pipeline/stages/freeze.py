"""Freeze the selected set: one file, one hash, a card; from here on it never changes."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    pass


STAGE = WholeStage(name="freeze", params=Params, work="pipeline.freezing:freeze")
