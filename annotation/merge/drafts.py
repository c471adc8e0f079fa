"""Drafts of the merge map: opening one as a copy of the newest version, and publishing it under its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone

from annotation.models import IntentLabel, MapEntry, MergeMap, PromptIntent
from annotation.selectors import map_draft, taxonomy_newest
from madsafe_web.core.audit import audit
from madsafe_web.core.models import User
from madsafe_web.core.runs.errors import StageError

COPIED = 1000  # entries written by one statement


@transaction.atomic
def map_draft_open(user: User | None = None) -> MergeMap:
    """The draft map with an entry for every label: the open one completed, or a new copy of the newest version."""
    draft = map_draft()
    if draft is None:
        try:
            with transaction.atomic():
                draft = _opened(user)
        except IntegrityError:  # somebody else opened it in the same moment
            draft = MergeMap.objects.get(state=MergeMap.State.DRAFT)
    _complete(draft)
    return draft


def _opened(user: User | None) -> MergeMap:
    parent = MergeMap.objects.order_by("-version").first()
    draft = MergeMap.objects.create(
        version=parent.version + 1 if parent else 1,
        parent=parent,
        taxonomy=parent.taxonomy if parent else taxonomy_newest(),
        runs=parent.runs if parent else [],
        author=user,
    )
    if parent:
        _copy(parent, draft)
    return draft


def _copy(parent: MergeMap, draft: MergeMap) -> None:
    copies = [
        MapEntry(
            merge_map=draft,
            label_id=entry.label_id,
            category_id=entry.category_id,
            dropped=entry.dropped,
            theme=entry.theme,
            flagged=entry.flagged,
            decided_by=entry.decided_by,
            revision=entry.revision,  # it goes on: a page that shows the parent cannot pass for one of the draft
        )
        for entry in parent.entries.all()
    ]
    MapEntry.objects.bulk_create(copies, batch_size=COPIED)


def _complete(draft: MergeMap) -> None:
    """Labels that came since are undecided."""
    runs = list(PromptIntent.objects.order_by("run").values_list("run", flat=True).distinct())
    if runs != draft.runs:
        draft.runs = runs
        draft.save(update_fields=["runs"])
    new = IntentLabel.objects.exclude(entries__merge_map=draft).filter(intents__isnull=False).distinct()
    entries = [MapEntry(merge_map=draft, label=label) for label in new.order_by("id")]
    MapEntry.objects.bulk_create(entries, batch_size=COPIED, ignore_conflicts=True)


@transaction.atomic
def map_publish(merge_map: MergeMap, user: User | None, note: str = "") -> MergeMap:
    """Publish a draft for ever under the hash of its content. Raises StageError when it was published meanwhile."""
    MergeMap.objects.select_for_update().get(pk=merge_map.pk)  # no decision comes in between hash and state
    digest = map_sha256(merge_map)
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
