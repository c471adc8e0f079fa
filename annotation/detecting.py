"""Which formats a file may have, told from the first rows of its content; its name counts for nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from annotation.importers._guessing import guess
from annotation.importers.base import ImportedRow, Importer, ImportOptions, NeedsAnswers, RejectedRow, WrongFormat
from madsafe_web.core.registry import plugins
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.textio import BadFile, beginnings_kept, data_members, open_bytes

PREVIEW_ROWS = 20
GENERIC = "generic"
# Formats whose columns others have, too, come after those; the last is the one that reads anything.
_COMMON = ("alpaca", "sharegpt", "hf_dataset", GENERIC)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A format that fits, with the first rows as they would be stored. `mapping` is what `generic` would read by.

    `problem` says what is still missing, or why the file cannot be read on.
    """

    importer: Importer
    rows: tuple[tuple[int, ImportedRow | RejectedRow], ...] = ()
    mapping: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def name(self) -> str:
        return self.importer.name

    @property
    def good(self) -> int:
        """How many of the first rows would be imported."""
        return sum(isinstance(row, ImportedRow) for _, row in self.rows)

    @property
    def warnings(self) -> Counter[str]:
        return Counter(text for _, row in self.rows if isinstance(row, ImportedRow) for text in row.warnings)


def detect(path: Path, options: ImportOptions | None = None) -> list[Proposal]:
    """The formats that fit, the likeliest first; empty where none does. Reads the first rows, never the whole file.

    The one that reads the most of them comes first; among equals the one of the more special columns.
    Raises OSError when the file cannot be read.
    """
    options = options or ImportOptions()
    with beginnings_kept():
        found = [propose(importer, path, options) for importer in plugins("annotation.importers", "IMPORTER").values()]
    return sorted(filter(None, found), key=_order)


def propose(importer: Importer, path: Path, options: ImportOptions) -> Proposal | None:
    """What that format makes of the first rows; None where it is another one."""
    try:
        options = replace(options, mapping=options.mapping or _guessed(importer, path))
        rows = list(islice(importer.read(path, options), PREVIEW_ROWS))
    except NeedsAnswers as error:
        return Proposal(importer, problem=str(error))
    except (BadFile, ConfigError):
        return None
    proposal = Proposal(importer, tuple(rows), dict(options.mapping) if importer.name == GENERIC else {})
    return proposal if proposal.good else None


def shown(importer: Importer, path: Path, options: ImportOptions) -> Proposal:
    """What a format that somebody chose makes of the first rows, `problem` saying why it makes nothing of them."""
    rows: list[tuple[int, ImportedRow | RejectedRow]] = []
    problem = ""
    try:
        rows.extend(islice(importer.read(path, options), PREVIEW_ROWS))
    except (BadFile, ConfigError) as error:
        problem = str(error)
    return Proposal(importer, tuple(rows), dict(options.mapping), problem)


def why_not(path: Path, options: ImportOptions) -> str:
    """Why no format fits: what is wrong with the file itself, else that nothing in it looks like prompts."""
    generic: Importer = plugins("annotation.importers", "IMPORTER")[GENERIC]
    try:
        if not any(chunk.strip() for member in data_members(path)[0] for chunk in islice(open_bytes(member), 1)):
            return f"{path.name}: the file is empty. Check that it is the right one"
        next(generic.read(path, options), None)
    except WrongFormat:
        pass
    except BadFile as error:
        return str(error)
    return f"{path.name}: no format fits. Choose one, or say in a mapping which column holds the prompts"


def _guessed(importer: Importer, path: Path) -> dict[str, Any]:
    return guess(path) if importer.name == GENERIC else {}


def _order(proposal: Proposal) -> tuple[int, float, str]:
    rank = _COMMON.index(proposal.name) + 1 if proposal.name in _COMMON else 0
    share = proposal.good / len(proposal.rows) if proposal.rows else 0.0
    return rank, -share, proposal.name
