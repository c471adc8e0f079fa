"""What a reader asks the catalogue for, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Facets whose values each prompt has one of; `responses` is "yes" or "no".
PLAIN = ("corpus", "language", "scenario", "attack", "origin", "state", "responses")
FACETS = ("corpus", "category", "label", "language", "scenario", "attack", "origin", "state", "responses")
NUMBERS = ("perplexity", "response_safety", "instruction_safety")
SCORES = "scores"  # what the three numbers together are called
NONE = "none"  # the value of the facet `category` for prompts without any
Range = tuple[float | None, float | None]  # both ends included; None is open


@dataclass(frozen=True, slots=True)
class Wanted:
    """Several values of a facet widen it, several facets narrow the result.

    `text` is folded; `within` also looks through the responses for `typed`, as it was typed. `merge_map` is the id of
    the map that says the categories. Ranges of `perplexity` are in nats, as it is stored.
    """

    text: str = ""
    typed: str = ""
    within: bool = False
    merge_map: int | None = None
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    sort: str = "-id"
