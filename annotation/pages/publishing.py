"""What publishing the draft would change: shown before somebody does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from annotation.label_use import label_use
from annotation.labelling import runs_read
from annotation.merge.diffs import KINDS, MapDiff, map_diff
from annotation.merge.drafts import map_sha256
from annotation.models import MapEntry, MergeMap
from annotation.pages.maps import CHANGES, diff_rows
from annotation.selectors import map_draft, merge_waiting

if TYPE_CHECKING:
    from annotation.label_counts import LabelUse

Context = dict[str, Any]  # Any: a template's context
MOST_ROWS = 100
Second = MapEntry.Second


def publish_context() -> Context:
    """The draft against the version that it was made from; `map` is None without a draft."""
    draft = map_draft()
    if draft is None:
        return {"map": None}
    seen = map_sha256(draft)  # before the rest is read: what changes in between is not taken for seen
    found = map_diff(draft.parent, draft)
    use = label_use(runs_read(draft))
    moved = [row.label for row in found.rows if row.before != row.after]
    return {
        "map": {"id": draft.pk, "version": draft.version, "parent": draft.parent.version if draft.parent else None},
        "seen": seen,
        "waits": merge_waiting() is not None,
        "kinds": list(_kinds(found, use)),
        "moved": {"labels": len(moved), "prompts": use.prompts_with(moved)},
        "left": _left(draft, use),
        "rows": list(diff_rows(found, MOST_ROWS)),
        "labels": len(found.rows),
    }


def _kinds(found: MapDiff, use: LabelUse) -> Iterator[Context]:
    """What happened to labels, with how many there are and how many prompts carry any of them."""
    for kind in KINDS:
        labels = [row.label for row in found.rows if row.kind == kind]
        if labels:
            yield {"name": CHANGES[kind], "labels": len(labels), "prompts": use.prompts_with(labels)}


def _left(draft: MergeMap, use: LabelUse) -> Context:
    """What stays open: undecided labels, and among all those that wait for a second person or a lead."""
    rows = MapEntry.objects.filter(merge_map=draft).values_list("label", "decided_by", "second")
    states = list(rows)
    undecided = [label for label, by, _second in states if not by]
    return {
        "labels": len(undecided),
        "prompts": use.prompts_with(undecided),
        "waiting": sum(second == Second.WAITING for _label, _by, second in states),
        "conflicts": sum(second == Second.CONFLICT for _label, _by, second in states),
    }
