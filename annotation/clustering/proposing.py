"""All evidence about labels from the proposers that are asked, and the groups that follow from it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

from annotation.clustering.grouping import Couple, blended, grouped
from annotation.clustering.proposers.base import Letter, Material, Pair, Proposer
from madsafe_web.core.registry import plugins

By = Literal["exact", "names", "prompts"]

# Each with those before it: names that are alike support prompts that are alike.
LETTERS: dict[By, tuple[Letter, ...]] = {"exact": ("A",), "names": ("A", "B"), "prompts": ("A", "B", "C")}


def proposers() -> dict[str, Proposer]:
    """Every proposer by its name."""
    return plugins("annotation.clustering.proposers", "PROPOSER")


def evidence(material: Material, by: By = "names") -> Iterator[Pair]:
    """The pairs of all proposers up to `by`, proposer by proposer. Loads SciPy, but not for "exact"."""
    for proposer in proposers().values():
        if proposer.letter in LETTERS[by]:
            yield from proposer.propose(material)


def proposed(material: Material, by: By = "names", *, refused: Collection[Couple] = ()) -> list[list[str]]:
    """Disjoint groups of labels that mean the same, none with a refused couple; see `grouped`."""
    return grouped(blended(evidence(material, by)), refused=refused)
