"""The labels as one request finds them, so that a view can ask several things of one reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotation.forms import LabelFilter
from annotation.label_use import label_use
from annotation.labelling import runs_read
from annotation.models import LabelOpinion, MapEntry, MergeMap
from annotation.pages.label_search import LabelSearch
from annotation.pages.labels import LabelState, label_states, map_shown
from madsafe_web.core.models import User

if TYPE_CHECKING:
    from annotation.label_counts import LabelUse
    from annotation.merge.proposals import Proposal


@dataclass(frozen=True, slots=True)
class MergeState:
    merge_map: MergeMap | None
    use: LabelUse
    labels: list[LabelState]
    answered: frozenset[int] = frozenset()  # labels that wait for somebody else than the reader

    def listed(self, filters: LabelFilter) -> list[LabelState]:
        """The labels that a list holds, in the order of the work."""
        search = LabelSearch(filters, self.merge_map)
        done = self.answered if filters.state_name == "undecided" else ()
        return [state for state in self.labels if state.id not in done and search.fits(state)]

    def proposals(self) -> list[Proposal]:
        """What may be decided together of the labels that are undecided."""
        from annotation.merge.proposals import proposals  # numpy: not before somebody looks

        return proposals(self.merge_map, self.use, (one.id for one in self.labels))


def merge_state(user: User | None = None) -> MergeState:
    """The labels as they stand; for a reader the undecided ones are those about which they gave no blind answer yet."""
    merge_map = map_shown()
    use = label_use(runs_read(merge_map))
    labels = label_states(merge_map, use)
    return MergeState(merge_map, use, labels, _answered(merge_map, labels, user) if user else frozenset())


def _answered(merge_map: MergeMap | None, labels: list[LabelState], user: User) -> frozenset[int]:
    waiting = [one.id for one in labels if one.second == MapEntry.Second.WAITING]
    if not waiting:
        return frozenset()
    own = LabelOpinion.objects.filter(entry__merge_map=merge_map, entry__label__in=waiting, person=user, standing=True)
    return frozenset(own.values_list("entry__label", flat=True))
