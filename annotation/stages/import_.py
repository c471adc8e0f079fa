"""Bring files in as corpora (paper, 3.3): one part of the run for each file, each streamed and resumable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class File:
    """`path` is relative to the project folder. Empty fields take what the format says.

    `into` is the id of a corpus that there is already: rows of it that were corrected come in as another file.
    """

    path: str
    format: str
    name: str = ""
    role: Literal["", "alignment", "benchmark", "general"] = ""
    answers: str = ""
    split: str = ""
    licence: str = ""
    exportable: bool | None = None
    into: int | None = None


@dataclass(frozen=True, slots=True)
class Params:
    files: list[File] = field(default_factory=list)


STAGE = WholeStage(
    name="import", params=Params, plan="annotation.importing:parts", work="annotation.importing:import_file"
)
