"""Database work of the stages `merge` and `publish`, and the end of a merge by people."""

from __future__ import annotations

from collections import defaultdict

from django.db import transaction

from annotation.merge.deciding import labels_decide
from annotation.merge.drafts import map_draft_open, map_publish
from annotation.merge.states import DROP, Decision
from annotation.models import DecidedBy, MapEntry, MergeMap
from annotation.selectors import map_draft, map_published, suggestions_newest
from madsafe_web.core.audit import audit
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs import service
from madsafe_web.core.runs.errors import NeedsPeople, StageError
from madsafe_web.core.runs.job import Job


def merge(job: Job) -> None:
    """Open the draft, decide by rule if that is wanted, then count decisions, or wait for people.

    People end it on the merge page, which notes `finished_by` on the run.
    """
    draft = map_draft_open()
    by_people = job.params.decide == "people"
    if by_people and "finished_by" not in job.run.outputs:
        undecided = draft.entries.filter(decided_by=DecidedBy.NOBODY).count()
        raise NeedsPeople(f"{undecided} labels wait for people. Decide them under Labels, then press “Finish merging”.")
    entries = list(draft.entries.select_related("label").order_by("label"))
    job.total(len(entries))
    if not entries:
        raise StageError("There are no labels to merge. Run the stage 'label' first.")
    with job.commit() as progress:
        if not by_people:
            decide_by_rule(entries, job.params.leave_undecided)
        decided = draft.entries.exclude(decided_by=DecidedBy.NOBODY).count()
        job.output(map=draft.version)
        progress.counts = {"kept": decided, "rejected": len(entries) - decided}


def decide_by_rule(entries: list[MapEntry], leave_undecided: int) -> None:
    """Give every undecided entry its suggestion, most certain first; the last `leave_undecided` stay undecided.

    So do labels that people answered blindly.
    """
    suggestions = suggestions_newest()
    open_entries = [entry for entry in entries if entry.decided_by == DecidedBy.NOBODY]
    suggested = [entry for entry in open_entries if entry.label_id in suggestions and not entry.second]
    # Equals by key: in which order labels were stored depends on which replies came first.
    suggested.sort(key=lambda entry: (-suggestions[entry.label_id].confidence, entry.label.key))
    unsuggested = len(open_entries) - len(suggested)
    by_target: dict[str, list[MapEntry]] = defaultdict(list)
    for entry in suggested[: max(0, len(suggested) - max(0, leave_undecided - unsuggested))]:
        category = suggestions[entry.label_id].category
        by_target[category.code if category else DROP].append(entry)
    for target, group in by_target.items():
        seen = {entry.label_id: entry.revision for entry in group}
        sure = {pk: suggestions[pk].confidence for pk in seen}
        labels_decide(user=None, seen=seen, decision=Decision(target), confidence=sure)


@transaction.atomic
def merge_finish(run: Run, user: User) -> bool:
    """People say that they are done: the waiting merge goes on. False when it no longer waits."""
    waiting = Run.objects.select_for_update().filter(pk=run.pk, state=Run.State.NEEDS_PEOPLE).first()
    if waiting is None:
        return False
    waiting.outputs = {**waiting.outputs, "finished_by": user.username}
    waiting.save(update_fields=["outputs"])
    if not service.run_start(waiting):
        return False
    audit(user, "merge.finish", str(waiting))
    return True


def publish(job: Job) -> None:
    """Publish the draft map and count its decisions; without a draft the published map is counted."""
    draft = map_draft()
    merge_map = draft or map_published()
    entries = MapEntry.objects.filter(merge_map=merge_map)
    total, decided = entries.count(), entries.exclude(decided_by=DecidedBy.NOBODY).count()
    job.total(total)
    with job.commit(kept=decided, rejected=total - decided):
        # The run before the head of the audit record, as pause and cancel lock them: two in another order would hang.
        Run.objects.select_for_update().get(pk=job.run.pk)
        if merge_map.state == MergeMap.State.DRAFT:
            merge_map = map_publish(merge_map, job.run.actor)
        job.output(map=merge_map.version, sha256=merge_map.sha256)
