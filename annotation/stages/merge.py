"""People merge raw labels into categories (paper, 4.1). The run opens the draft map and waits until they are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    """`decide` "rule" takes every suggestion, marked so, but leaves the `leave_undecided` least certain to people."""

    decide: Literal["people", "rule"] = "people"
    leave_undecided: int = 0


STAGE = WholeStage(name="merge", params=Params, work="annotation.merging:merge")
