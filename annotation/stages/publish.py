"""Publish the draft map: from here on every stage reads categories through this version."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    pass


STAGE = WholeStage(name="publish", params=Params, work="annotation.merging:publish")
