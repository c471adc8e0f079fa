"""The labels as one request finds them, so that a view can ask several things of one reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotation.forms import LabelFilter
from annotation.label_use import label_use
from annotation.labelling import runs_read
from annotation.models import MergeMap
from annotation.pages.label_search import LabelSearch
from annotation.pages.labels import LabelState, label_states, map_shown

if TYPE_CHECKING:
    from annotation.label_counts import LabelUse
    from annotation.merge.proposals import Proposal


@dataclass(frozen=True, slots=True)
class MergeState:
    merge_map: MergeMap | None
    use: LabelUse
    labels: list[LabelState]

    def listed(self, filters: LabelFilter) -> list[LabelState]:
        """The labels that a list holds, in the order of the work."""
        search = LabelSearch(filters, self.merge_map)
        return [state for state in self.labels if search.fits(state)]

    def proposals(self) -> list[Proposal]:
        """What may be decided together of the labels that are undecided."""
        from annotation.merge.proposals import proposals  # numpy: not before somebody looks

        return proposals(self.merge_map, self.use, (one.id for one in self.labels))


def merge_state() -> MergeState:
    merge_map = map_shown()
    use = label_use(runs_read(merge_map))
    return MergeState(merge_map, use, label_states(merge_map, use))
