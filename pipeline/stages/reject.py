"""Rejection sampling (paper, 3.5): cut categories that hold far more prompts than the others."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    """No category keeps more than `max_ratio` times the median category; prompts without a category are left alone."""

    max_ratio: float = 3.0
    seed: int = 20261123


STAGE = WholeStage(name="reject", params=Params, work="pipeline.cleaning:reject")
