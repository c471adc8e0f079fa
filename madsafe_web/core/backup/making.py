"""Making a backup while people and workers go on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from madsafe_web.core.audit import audit
from madsafe_web.core.backup import files, rows
from madsafe_web.core.backup.archive import BackupError, Manifest, Writer
from madsafe_web.core.models import AuditHead
from madsafe_web.core.textio import atomic_write


@dataclass(frozen=True, slots=True)
class Made:
    """What was written."""

    rows: int
    files: int
    bytes: int
    sha256: str  # of the manifest


def backup(path: Path, *, without_models: bool = False) -> Made:
    """Write the backup, readable by its owner alone; `path` is whole or not there.

    Raises BackupError where the file exists or the database is not migrated, OSError where the disk is full.
    """
    if path.exists():
        raise BackupError(f"{path} exists already. Name a new file.")
    with atomic_write(path) as out:
        os.fchmod(out.fileno(), 0o600)
        with rows.snapshot():
            manifest = _manifest(without_models)
            writer = Writer(out, manifest)
            _add_rows(writer)
        # After the rows: a file that a row names was whole before the row was written, and stays as it is.
        _add_files(writer)
        digest = writer.end()
    made = Made(manifest.rows, len(manifest.files()), path.stat().st_size, digest)
    audit(None, "backup", path.name, sha256=made.sha256, rows=made.rows, files=made.files)
    return made


def _manifest(without_models: bool) -> Manifest:
    loader = MigrationExecutor(connection).loader
    missing = set(loader.disk_migrations or {}) - set(loader.applied_migrations or {})
    if missing:
        raise BackupError("The database is older than this version. Run `manage.py migrate`, or use the older version.")
    applied: dict[str, list[str]] = {}
    for app, name in sorted(loader.applied_migrations or {}):
        if (app, name) in (loader.disk_migrations or {}):
            applied.setdefault(app, []).append(name)
    head = AuditHead.objects.filter(pk=1).first()
    return Manifest(
        made=timezone.now().isoformat(),
        vendor=connection.vendor,
        migrations=applied,
        var=str(settings.VAR_DIR),
        audit=[head.sequence, head.sha256] if head else [],
        without_models=without_models,
    )


def _add_rows(writer: Writer) -> None:
    for table, model in rows.kept(apps.get_models(include_auto_created=True)).items():
        total = 0
        for number, (data, count) in enumerate(rows.parts(model)):
            writer.add_bytes(f"tables/{table}/{number:06d}.jsonl.gz", data)
            total += count
        writer.manifest.tables[table] = {"columns": rows.columns(model), "rows": total}


def _add_files(writer: Writer) -> None:
    var = Path(settings.VAR_DIR)
    for name in files.walk(var, without_models=writer.manifest.without_models):
        try:
            file = (var / name).open("rb")
        except FileNotFoundError:  # a checkpoint that the training has just replaced
            continue
        with file:
            writer.add(f"files/{name.as_posix()}", file, os.fstat(file.fileno()).st_size)
