"""A random sample of general instruction data, so that the tuned model keeps its abilities (paper, 3.2: 40,000)."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    count: int = 40_000
    seed: int = 20261123


STAGE = WholeStage(name="sample_general", params=Params, work="pipeline.selecting:sample_general")
