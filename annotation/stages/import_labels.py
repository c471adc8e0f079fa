"""Read labels that others gave: a file of labels alone, or of labels of the prompts of a corpus (a labelling run)."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    """`path` is relative to the project folder.

    `corpus` is the id of the corpus whose source ids the field `traceid` of the rows names; without it the rows hold
    labels alone.
    """

    path: str
    corpus: int | None = None


STAGE = WholeStage(name="import_labels", params=Params, work="annotation.label_import:import_labels")
