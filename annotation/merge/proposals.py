"""What the merge page proposes: undecided labels that may be decided together, and into which category.

Nothing here decides anything. A proposal is accepted with one keystroke, so those stand first that decide the most
prompts with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from django.db.models import Max

from annotation.clustering.nearest import Links, links
from annotation.label_counts import LabelUse
from annotation.merge.gathering import Known, Member, Proposal, Reason, Stored, gather, groups_of
from annotation.merge.states import DROP
from annotation.models import DecidedBy, LabelPair, LabelSuggestion, MapEntry, MergeMap, RefusedPair
from annotation.selectors import categories, propose_run_kept

__all__ = ["Member", "Proposal", "Reason", "forget", "proposals"]

MOST = 500  # proposals given
READ = 5_000  # rows read at once
Refused = frozenset[tuple[int, int]]


def proposals(merge_map: MergeMap | None, use: LabelUse, labels: Iterable[int] = ()) -> list[Proposal]:
    """Disjoint proposals of the labels that a map leaves undecided (of all without a map), at most 500.

    Those of `labels` are among them though no prompt carries them. The first are those that are expected to decide the
    most prompts with one keystroke, the last those of no prompt. Works with whatever evidence
    there is: the newest run of `propose`, the newest suggestions, what the map decided, and what people said does not
    belong together.
    """
    run = propose_run_kept()
    run_id = run.pk if run else None
    refused = frozenset(RefusedPair.objects.filter(standing=True).values_list("first", "second"))
    rows = categories(merge_map.taxonomy if merge_map else None)
    targets = [*rows.values_list("code", flat=True), DROP]
    suggested = _suggested(LabelSuggestion.objects.aggregate(newest=Max("id"))["newest"])
    counts = {label: use.counts.get(label, 0) for label in sorted({*use.counts, *labels})}
    known = Known(
        counts=counts,
        targets=targets,
        suggested={label: said for label, said in suggested.items() if said[0] in targets},
        decided=_decided(merge_map),
        refused=refused,
        stored=_stored(run_id),
        links=_links(run_id, tuple(counts)),
        groups=_groups(run_id, refused),
    )
    return gather(known, MOST)


def _decided(merge_map: MergeMap | None) -> dict[int, str]:
    entries = MapEntry.objects.filter(merge_map=merge_map).exclude(decided_by=DecidedBy.NOBODY)
    return {label: code or DROP for label, code in entries.values_list("label", "category__code")}


@lru_cache(maxsize=2)
def _suggested(newest: int | None) -> dict[int, tuple[str, float]]:
    """Label → code or DROP and confidence of its newest suggestion, up to the one with this id."""
    rows = LabelSuggestion.objects.filter(pk__lte=newest or 0).order_by("id")
    told = rows.values_list("label", "category__code", "confidence")
    return {label: (code or DROP, sure) for label, code, sure in told.iterator(READ)}


@lru_cache(maxsize=2)
def _stored(run_id: int | None) -> Stored:
    rows = LabelPair.objects.filter(run=run_id).order_by("first", "second", "kind")
    return Stored(list(rows.values_list("first", "second", "letter", "weight", "kind").iterator(READ)))


@lru_cache(maxsize=2)
def _links(run_id: int | None, labels: tuple[int, ...]) -> Links:
    return links((row[:4] for row in _stored(run_id).rows), labels)


@lru_cache(maxsize=2)
def _groups(run_id: int | None, refused: Refused) -> list[list[int]]:
    return groups_of(_stored(run_id), refused)


def forget() -> None:
    """Drop what is kept, for tests: their rows come again under the same ids."""
    for kept in (_suggested, _stored, _links, _groups):
        kept.cache_clear()
