"""Several labels decided at once by a person, on a draft that is opened by the first decision."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from annotation.models import MapEntry, MergeMap
from annotation.selectors import map_draft
from annotation.services import Decision, StaleDecision, label_assign, map_draft_open, step_facts
from madsafe_web.core.audit import audit
from madsafe_web.core.models import User


@transaction.atomic
def labels_decide(*, user: User, seen: Sequence[tuple[int, int]], decision: Decision) -> list[MapEntry]:
    """Decide about labels, each given with the revision at which it was seen: all of them or none.

    Raises StaleDecision when somebody decided about one of them since, or when a label is not one to merge.
    """
    wanted = [label_id for label_id, _ in seen]
    draft = map_draft()
    entries = _entries(draft, wanted) if draft else {}
    if len(entries) < len(set(wanted)):
        entries = _entries(map_draft_open(), wanted)
    missing = set(wanted) - set(entries)
    if missing:
        raise StaleDecision(", ".join(map(str, sorted(missing))))
    steps = dict(seen)
    decided = [
        label_assign(entry=entries[label_id], decision=decision, seen_revision=revision, user=user)
        for label_id, revision in steps.items()
    ]
    labels = [step_facts(entries[entry.label_id], entry) for entry in decided]
    subject = f"map {decided[0].merge_map}" if decided else "map"
    audit(user, "label.assign", subject, target=decision.target, count=len(labels), labels=labels)
    return decided


def _entries(draft: MergeMap, label_ids: Sequence[int]) -> dict[int, MapEntry]:
    rows = draft.entries.filter(label__in=label_ids).select_related("label", "category", "merge_map")
    return {entry.label_id: entry for entry in rows}
