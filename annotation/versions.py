"""The count of changes to stored prompts that no newest id can tell."""

from __future__ import annotations

from django.db.models import F

from annotation.models import DataVersion

ONLY = 1  # the one row


def data_changed() -> None:
    """Count a change or removal of stored prompts, responses or links. Call inside the transaction that makes it."""
    if not DataVersion.objects.filter(pk=ONLY).update(changes=F("changes") + 1):
        DataVersion.objects.create(pk=ONLY, changes=1)


def data_changes() -> int:
    """How often stored prompts were changed or removed so far."""
    return DataVersion.objects.filter(pk=ONLY).values_list("changes", flat=True).first() or 0
