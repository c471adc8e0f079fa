"""What the stage `evaluate` works on and makes, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SAFETYBENCH, NEW_SAFETY, CVALUES = "safetybench", "new_safety", "cvalues"
BENCHMARKS = (SAFETYBENCH, NEW_SAFETY, CVALUES)


def taxonomy_version(settings: Mapping[str, Any]) -> int:
    """By which taxonomy an evaluation was made, from its settings: older ones do not say it and knew only the first."""
    return int(settings.get("taxonomy", 1))


@dataclass(frozen=True, slots=True)
class EvalRow:
    """One item put to one model.

    `category` is of the benchmark's own scheme. `words` gives, for "zh" and "en", name and definition of a category of
    a taxonomy, and `codes` all codes of that. `options` and `answer` (index from 0) belong to multiple choice. `nonce`
    fences texts off from the judge's instructions.
    """

    evaluation: int
    item: int
    benchmark: str
    endpoint: str
    text: str
    language: str
    category: str
    words: Mapping[str, tuple[str, str]]
    options: tuple[str, ...] = ()
    answer: int | None = None
    nonce: str = ""
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VoteValue:
    """One judge opinion. `verdict` is "" when the reply could not be read or never came: `reason_code` says why."""

    number: int
    verdict: str
    response_type: str = ""
    confidence: float | None = None  # 0..1
    reason_code: str = ""
    generation: str = ""


@dataclass(frozen=True, slots=True)
class AnswerValue:
    """A model's answer. `correct` is None where the benchmark has no right answer; then `judged` holds the verdict."""

    text: str
    parsed: str = ""
    correct: bool | None = None
    generation: str = ""
    votes: tuple[VoteValue, ...] = ()
    judged: str = ""
    off_topic: bool = False
