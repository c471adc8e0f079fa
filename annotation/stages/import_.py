"""Bring files in as corpora (paper, 3.3): one part of the run for each file, each streamed and resumable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from annotation.importers._columns import column_map
from madsafe_web.core.runs.stage import WholeStage


@dataclass(frozen=True, slots=True)
class File:
    """`path` is relative to the project folder. Empty fields take what the format says.

    `into` is the id of a corpus that there is already: rows of it that were corrected come in as another file.
    `dev` is a file of examples that goes with a benchmark, `mapping` says which columns hold what where the format does
    not know it. Raises ConfigError for a mapping that cannot be used.
    """

    path: str
    format: str
    name: str = ""
    role: Literal["", "alignment", "benchmark", "general"] = ""
    answers: str = ""
    dev: str = ""
    split: str = ""
    licence: str = ""
    exportable: bool | None = None
    into: int | None = None
    mapping: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mapping:
            column_map(self.mapping)


@dataclass(frozen=True, slots=True)
class Params:
    files: list[File] = field(default_factory=list)


STAGE = WholeStage(
    name="import", params=Params, plan="annotation.importing:parts", work="annotation.importing:import_file"
)
