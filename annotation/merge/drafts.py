"""Drafts of the merge map: opening one as a copy of the newest version, and publishing it under its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from django.db import transaction
from django.utils import timezone

from annotation.labelling import labels_to_merge, runs_linking, runs_next
from annotation.merge.blind import opinions_carry
from annotation.merge.operations import Codes, draft_locked
from annotation.merge.rules import rules_apply
from annotation.merge.states import EntryState
from annotation.models import MapEntry, MergeMap, Taxonomy
from annotation.selectors import taxonomy_newest
from madsafe_web.core.audit import audit
from madsafe_web.core.models import User
from madsafe_web.core.runs.errors import StageError

COPIED = 1000  # entries written by one statement


def taxonomy_locked() -> Taxonomy:
    """The newest taxonomy; until the transaction ends nobody else opens a draft or makes a taxonomy."""
    Taxonomy.objects.select_for_update().earliest("version")  # the same row whichever is the newest
    return taxonomy_newest()


@transaction.atomic
def map_draft_open(user: User | None = None) -> MergeMap:
    """The draft map with an entry for every label: the open one completed, or a new copy of the newest version."""
    taxonomy = taxonomy_locked()  # one at a time: two would open two drafts
    # Held, so that nobody publishes it while it is completed: a published map never changes.
    draft = MergeMap.objects.select_for_update().filter(state=MergeMap.State.DRAFT).first()
    if draft is None:
        parent = MergeMap.objects.order_by("-version").first()
        draft = MergeMap.objects.create(
            version=parent.version + 1 if parent else 1,
            parent=parent,
            taxonomy=parent.taxonomy if parent else taxonomy,
            runs=parent.runs if parent else [],
            runs_left=parent.runs_left if parent else [],
            author=user,
        )
        if parent:
            _copy(parent, draft)
    _complete(draft)
    return draft


def _copy(parent: MergeMap, draft: MergeMap) -> None:
    """All that the parent says; what was answered blindly about a label that still waits goes on too."""
    copies = [
        MapEntry(
            merge_map=draft,
            label_id=entry.label_id,
            category_id=entry.category_id,
            dropped=entry.dropped,
            theme=entry.theme,
            flagged=entry.flagged,
            second=entry.second,
            decided_by=entry.decided_by,
            revision=entry.revision,  # it goes on: a page that shows the parent cannot pass for one of the draft
        )
        for entry in parent.entries.all()
    ]
    MapEntry.objects.bulk_create(copies, batch_size=COPIED)
    waiting = parent.entries.exclude(second=MapEntry.Second.NONE)
    code_of = Codes.of(parent).code_of
    copy_of = dict(draft.entries.exclude(second=MapEntry.Second.NONE).values_list("label", "id"))
    opinions_carry(
        {entry.pk: EntryState.of(entry, code_of) for entry in waiting},
        {entry.pk: copy_of[entry.label_id] for entry in waiting},
    )


def _complete(draft: MergeMap) -> None:
    """Read the labelling runs that ended since. Labels that came since are undecided, but for those that a saved rule
    decides.
    """
    runs, left = runs_next(draft.runs, draft.runs_left)
    if (runs, left) != (draft.runs, draft.runs_left):
        draft.runs, draft.runs_left = runs, left
        draft.save(update_fields=["runs", "runs_left"])
    new = labels_to_merge(draft).exclude(entries__merge_map=draft).values_list("id", flat=True)
    entries = [MapEntry(merge_map=draft, label_id=pk) for pk in new]
    MapEntry.objects.bulk_create(entries, batch_size=COPIED, ignore_conflicts=True)
    rules_apply(draft, [entry.label_id for entry in entries])


@transaction.atomic
def map_runs_choose(*, user: User, draft: MergeMap, runs: Collection[int]) -> None:
    """Let a draft read these labelling runs and leave out all others that there are now.

    Raises StageError when it was published meanwhile, or none of the runs labels anything.
    """
    held = draft_locked(draft)
    known = list(runs_linking().values_list("id", flat=True))
    chosen = [pk for pk in known if pk in runs]
    if not chosen:
        raise StageError("Choose at least one labelling run.")
    held.runs, held.runs_left = chosen, [pk for pk in known if pk not in runs]
    held.save(update_fields=["runs", "runs_left"])
    _complete(held)
    audit(user, "map.runs", f"map {draft}", runs=held.runs, left=held.runs_left)


class DraftChanged(StageError):
    """The draft is not the one that somebody looked at before publishing it."""


@transaction.atomic
def map_publish(merge_map: MergeMap, user: User | None, note: str = "", seen: str = "") -> MergeMap:
    """Publish a draft for ever under the hash of its content. Raises StageError when it was published meanwhile.

    `seen`: the hash of what the person looked at; raises DraftChanged when there is another by now.
    """
    MergeMap.objects.select_for_update().get(pk=merge_map.pk)  # no decision comes in between hash and state
    digest = map_sha256(merge_map)
    if seen and seen != digest:
        raise DraftChanged("The draft changed since you looked at it. Look at what it changes now, then publish it.")
    draft = MergeMap.objects.filter(pk=merge_map.pk, state=MergeMap.State.DRAFT)
    facts = {"sha256": digest, "note": note}
    if not draft.update(state=MergeMap.State.PUBLISHED, published=timezone.now(), author=user, **facts):
        raise StageError(f"Map {merge_map} is already published.")
    audit(user, "map.publish", f"map {merge_map}", **facts)
    merge_map.refresh_from_db()
    return merge_map


def map_sha256(merge_map: MergeMap) -> str:
    """SHA-256 over label key, target and theme of every entry, by key: equal maps have equal hashes."""
    columns: Sequence[str] = ("label__key", "category__code", "dropped", "theme")
    digest = hashlib.sha256()
    for key, code, dropped, theme in merge_map.entries.order_by("label__key").values_list(*columns).iterator(2000):
        told = (key, "DROP" if dropped else code or "", *([theme] if theme else []))
        digest.update("\t".join(told).encode() + b"\n")
    return digest.hexdigest()
