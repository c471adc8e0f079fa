"""The labels as one request finds them, so that a view can ask several things of one reading."""

from __future__ import annotations

from dataclasses import dataclass

from annotation.forms import LabelFilter
from annotation.label_use import LabelUse, label_use
from annotation.labelling import runs_read
from annotation.models import MergeMap
from annotation.pages.label_search import LabelSearch
from annotation.pages.labels import LabelState, label_states, map_shown


@dataclass(frozen=True, slots=True)
class MergeState:
    merge_map: MergeMap | None
    use: LabelUse
    labels: list[LabelState]

    def listed(self, filters: LabelFilter) -> list[LabelState]:
        """The labels that a list holds, in the order of the work."""
        search = LabelSearch(filters, self.merge_map)
        return [state for state in self.labels if search.fits(state)]


def merge_state() -> MergeState:
    merge_map = map_shown()
    use = label_use(runs_read(merge_map))
    return MergeState(merge_map, use, label_states(merge_map, use))
