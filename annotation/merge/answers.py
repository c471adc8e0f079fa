"""The blind answers about labels that several people gave, as the figures of agreement take them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from annotation.label_use import label_use
from annotation.labelling import runs_read
from annotation.merge.operations import Codes
from annotation.merge.states import EntryState
from annotation.models import LabelOpinion, MapEntry, MergeMap
from madsafe_web.core.access import scoped
from madsafe_web.core.models import User


@dataclass(frozen=True, slots=True)
class Answered:
    """A label that two people or more answered without seeing each other. `answers`: user name → category code, DROP
    or "". `stands`: what the map says now, "" while they disagree.
    """

    label: int
    name: str
    prompts: int
    answers: Mapping[str, str]
    stands: str

    @property
    def agreed(self) -> bool:
        return len(set(self.answers.values())) == 1


def answered(user: User, merge_map: MergeMap) -> list[Answered]:
    """The labels of a map with the answers that this reader may see, those on most prompts first.

    The first answer of each person counts that they did not take back: what somebody says who knows of a disagreement
    is no blind answer.
    """
    of_map = LabelOpinion.objects.filter(entry__merge_map=merge_map)
    people = _people(scoped(user, LabelOpinion).filter(pk__in=of_map.filter(standing=True).values("pk")))
    several = {entry: names for entry, names in people.items() if len(names) > 1}
    codes = Codes.of(merge_map)
    firsts: dict[int, dict[str, str]] = defaultdict(dict)
    given = of_map.filter(undone=False).order_by("id") if several else of_map.none()
    for entry, name, target in given.values_list("entry", "person__username", "target"):
        if name in several.get(entry, ()) and codes.has(target):
            firsts[entry].setdefault(name, target)
    counts = label_use(runs_read(merge_map)).counts
    rows = MapEntry.objects.filter(merge_map=merge_map, pk__in=given.values("entry")).select_related("label")
    found = [
        Answered(
            label=row.label_id,
            name=row.label.name,
            prompts=counts.get(row.label_id, 0),
            answers=dict(sorted(firsts[row.pk].items())),
            stands=EntryState.of(row, codes.code_of).target,
        )
        for row in rows
        if len(firsts.get(row.pk, ())) > 1
    ]
    return sorted(found, key=lambda one: (-one.prompts, one.label))


def _people(opinions: QuerySet[LabelOpinion]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for entry, name in opinions.values_list("entry", "person__username"):
        found[entry].add(name)
    return found


def pairs_of(found: Sequence[Answered]) -> list[tuple[str, str]]:
    """Every two people who answered about the same label, those with the most such labels first."""
    common: dict[tuple[str, str], int] = defaultdict(int)
    for one in found:
        names = sorted(one.answers)
        for place, first in enumerate(names):
            for second in names[place + 1 :]:
                common[first, second] += 1
    return sorted(common, key=lambda pair: (-common[pair], pair))
