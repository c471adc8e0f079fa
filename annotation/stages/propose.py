"""Find labels that may mean the same, by their names and by the prompts that carry them (paper, 4.1).

Nothing is merged: the merge page puts them before people together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    """`by` "names" compares names alone, "prompts" also what the labels were given to."""

    by: Literal["names", "prompts"] = "prompts"


STAGE = WholeStage(name="propose", params=Params, work="annotation.proposing:propose")
