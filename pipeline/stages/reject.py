"""Rejection sampling (paper, 3.5): cut categories that hold far more prompts than the others."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    """No category keeps more than `max_ratio` times the median category; prompts without a category are left alone.

    `map` is the version of the merge map that says the categories; without it the newest when the run works.
    """

    max_ratio: float = 3.0
    seed: int = 20261123
    map: int | None = None


STAGE = WholeStage(name="reject", params=Params, work="pipeline.cleaning:reject")
