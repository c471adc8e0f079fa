"""Withdraw a corpus: blank its texts and those that derive from it, mark what was made of them. Nothing undoes it."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class Params:
    """`corpus` is the id of the corpus."""

    corpus: int = 0


STAGE = WholeStage(name="withdraw", params=Params, work="annotation.withdrawing:withdraw", alone=True)
