"""The count of changes to stored prompts that no newest id can tell."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F

from annotation.models import DataVersion

ONLY = 1  # the one row


def data_changed() -> None:
    """Count a change or removal of stored prompts, responses or links. Call inside the transaction that makes it."""
    if not DataVersion.objects.filter(pk=ONLY).update(changes=F("changes") + 1):
        DataVersion.objects.create(pk=ONLY, changes=1)
    transaction.on_commit(_remove_kept, robust=True)


def data_changes() -> int:
    """How often stored prompts were changed or removed so far."""
    return DataVersion.objects.filter(pk=ONLY).values_list("changes", flat=True).first() or 0


def kept_folder() -> Path:
    """Where the catalogues of this machine lie. Only its owner may look into it; no backup holds it."""
    return Path(settings.VAR_DIR, "catalogue")


def _remove_kept() -> None:
    """No process takes an older catalogue any more, and withdrawn texts must not stay in one. On this machine alone."""
    for path in kept_folder().glob("*.bin"):
        path.unlink(missing_ok=True)
