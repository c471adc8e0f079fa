"""Write the frozen set as LLaMA-Factory reads it; what may not be exported stays out, with a count."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    pass


STAGE = WholeStage(name="export", params=Params, work="pipeline.freezing:export")
