"""Mark exact and near duplicates and overlaps with benchmarks (paper, 3.5; what it leaves open: leakage)."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    """Thresholds are Jaccard similarities of character 3-grams, 0..1: the same or higher counts as a duplicate.

    Attack prompts share long scaffolds around different questions, so two of them must be more alike.
    """

    threshold: float = 0.7
    attack_threshold: float = 0.95
    overlap_threshold: float = 0.7


STAGE = WholeStage(name="deduplicate", params=Params, work="pipeline.cleaning:deduplicate")
