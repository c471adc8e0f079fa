"""What a map says about a label, as plain values: the form in which the history keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from annotation.models import DecidedBy, MapEntry

DROP = "DROP"  # the target of a label that is no safety label


class StaleDecision(Exception):
    """Somebody else changed these labels since they were shown. `labels`: their ids; the text: their names."""

    def __init__(self, names: str, labels: tuple[int, ...] = ()) -> None:
        super().__init__(names)
        self.labels = labels


@dataclass(frozen=True, slots=True)
class Decision:
    """A category code, DROP for "not a safety label", or "" for undecided."""

    target: str

    @property
    def dropped(self) -> bool:
        return self.target == DROP


@dataclass(frozen=True, slots=True)
class EntryState:
    """One entry: category code, DROP or "" for undecided; by whom; its theme, its flag, and its second decision."""

    target: str = ""
    by: str = DecidedBy.NOBODY
    theme: str = ""
    flagged: bool = False
    second: str = MapEntry.Second.NONE

    @classmethod
    def of(cls, entry: MapEntry, code_of: Mapping[int, str]) -> EntryState:
        """The state of an entry; `code_of`: category id → code."""
        target = DROP if entry.dropped else code_of[entry.category_id] if entry.category_id else ""
        return cls(target, entry.decided_by, entry.theme, entry.flagged, entry.second)

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> EntryState:
        """A state from the history."""
        return cls(**{one.name: kept[one.name] for one in fields(cls)})

    def kept(self) -> dict[str, Any]:
        """The state for the history."""
        return asdict(self)

    def columns(self, id_of: Mapping[str, int]) -> dict[str, Any]:
        """The state as columns of an entry; `id_of`: category code → id. Raises KeyError for a code it lacks."""
        return {
            "category_id": id_of[self.target] if self.target and self.target != DROP else None,
            "dropped": self.target == DROP,
            "decided_by": self.by,
            "theme": self.theme,
            "flagged": self.flagged,
            "second": self.second,
        }
