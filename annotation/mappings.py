"""How people read the columns of files before, kept for the next file with the same columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from annotation.importers._guessing import columns_in, layout_of
from annotation.models import ColumnMapping
from madsafe_web.core.models import User
from madsafe_web.core.textio import GROUP, BadFile


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


def mapping_of_file(path: Path) -> dict[str, Any]:
    """The mapping last used for files with the columns of this one, {} for none."""
    columns = columns_named(path)
    return mapping_saved(columns) if columns else {}


def columns_named(path: Path) -> list[str]:
    """The names of the columns in the first rows; none where the file cannot be read."""
    try:
        return [column.path for column in columns_in(path, layout_of(path)) if column.path != GROUP]
    except BadFile:
        return []
