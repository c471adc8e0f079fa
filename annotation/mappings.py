"""How people read the columns of files before, kept for the next file with the same columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from annotation.models import ColumnMapping
from madsafe_web.core.models import User


def columns_key(columns: Iterable[str]) -> str:
    """SHA-256 of the sorted names, which do not depend on their order in the file."""
    return hashlib.sha256("\n".join(sorted(set(columns))).encode()).hexdigest()


def mapping_save(*, columns: Iterable[str], mapping: dict[str, Any], user: User | None) -> None:
    """Keep a mapping for files with these columns; it takes the place of the last one."""
    values = {"mapping": mapping, "user": user}
    ColumnMapping.objects.update_or_create(columns_key=columns_key(columns), defaults=values)


def mapping_saved(columns: Iterable[str]) -> dict[str, Any]:
    """The mapping last used for files with these columns, {} for none."""
    found = ColumnMapping.objects.filter(columns_key=columns_key(columns)).values_list("mapping", flat=True).first()
    return dict(found or {})
