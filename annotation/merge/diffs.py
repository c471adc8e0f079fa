"""What changed from one version of the merge map to another, and how many prompts that touches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from annotation.label_use import label_use
from annotation.labelling import runs_read
from annotation.merge.states import DROP
from annotation.models import IntentLabel, MapEntry, MergeMap

KINDS = ("new", "decided", "moved", "dropped", "undecided", "theme", "gone")


@dataclass(frozen=True, slots=True)
class Changed:
    """A label that two versions treat differently.

    `kind`: new (only the later one knows it), decided (put into a category for the first time), moved (into another
    category), dropped, undecided (its decision was taken away), theme (only its common name changed), gone (only the
    earlier one knows it). `before` and `after` are a category code, DROP, or "".
    """

    label: int
    name: str
    kind: str
    before: str
    after: str
    theme_before: str
    theme_after: str
    prompts: int

    @property
    def id(self) -> int:
        """Its place in a list that is given in pages."""
        return self.label


@dataclass(frozen=True, slots=True)
class MapDiff:
    """`rows` begin with the labels of the most prompts; `prompts` carry any of them, by the links of the later map."""

    old: MergeMap | None
    new: MergeMap
    rows: Sequence[Changed]
    prompts: int

    @property
    def counts(self) -> dict[str, int]:
        """Kind → number of labels, in the order of KINDS, without those of which there is none."""
        found = Counter(row.kind for row in self.rows)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    def told(self) -> dict[str, Any]:
        """The diff as JSON takes it."""
        return {
            "from": self.old.version if self.old else None,
            "to": self.new.version,
            "counts": {kind: self.counts.get(kind, 0) for kind in KINDS},
            "labels": len(self.rows),
            "prompts": self.prompts,
            "rows": [asdict(row) for row in self.rows],
        }


def map_diff(old: MergeMap | None, new: MergeMap) -> MapDiff:
    """What the later map says that the earlier one does not; without an earlier one all that it says."""
    before, after = _said(old), _said(new)
    use = label_use(runs_read(new))
    changed = list(_changed(before, after))
    names = dict(IntentLabel.objects.filter(pk__in=[pk for pk, _ in changed]).values_list("id", "name"))
    rows = [
        Changed(pk, names[pk], kind, *_pair(before, after, pk, 0), *_pair(before, after, pk, 1), use.counts.get(pk, 0))
        for pk, kind in changed
    ]
    rows.sort(key=lambda row: (-row.prompts, row.label))
    return MapDiff(old, new, rows, use.prompts_with([row.label for row in rows]))


Said = Mapping[int, tuple[str, str]]  # label id → target and theme


def _said(merge_map: MergeMap | None) -> Said:
    entries = MapEntry.objects.filter(merge_map=merge_map) if merge_map else MapEntry.objects.none()
    rows = entries.values_list("label", "category__code", "dropped", "theme")
    return {pk: (DROP if dropped else code or "", theme) for pk, code, dropped, theme in rows}


def _changed(before: Said, after: Said) -> Iterator[tuple[int, str]]:
    for pk in {**before, **after}:
        if before.get(pk) != after.get(pk):
            yield pk, _kind(before.get(pk), after.get(pk))


def _kind(before: tuple[str, str] | None, after: tuple[str, str] | None) -> str:
    if before is None or after is None:
        return "new" if before is None else "gone"
    if before[0] == after[0]:
        return "theme"
    if not after[0]:
        return "undecided"
    if after[0] == DROP:
        return "dropped"
    return "moved" if before[0] else "decided"


def _pair(before: Said, after: Said, pk: int, place: int) -> tuple[str, str]:
    return before.get(pk, ("", ""))[place], after.get(pk, ("", ""))[place]
