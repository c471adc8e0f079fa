"""Making an installation of a backup again, in an empty database and var folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from django.apps import apps as current
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DatabaseError, connection, transaction
from django.db.migrations.exceptions import InvalidMigrationPlan
from django.db.migrations.executor import MigrationExecutor

from madsafe_web.core import audit_triggers
from madsafe_web.core.audit import audit, problems
from madsafe_web.core.backup import files, rows
from madsafe_web.core.backup.archive import BackupError, Manifest, members, verified
from madsafe_web.core.models import Run
from madsafe_web.core.runs.service import FINISHED
from madsafe_web.core.runs.stages import point
from madsafe_web.core.textio import sha256_file

# Those that hold on to others first, as they have to be emptied.
SEEDED = ("auth_permission", "django_content_type", "annotation_category", "annotation_taxonomy", "core_audithead")
BOUND_TO_PATHS = ("import", "import_labels", "train")  # stages whose unfinished runs name files by their whole path
Node = tuple[str, str]


@dataclass(slots=True)
class Restored:
    """What was brought back, and what to look after."""

    rows: int
    files: int
    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # of the audit record


def restore(path: Path) -> Restored:
    """Bring everything back, or nothing.

    Raises BackupError for a file that is not a whole backup and for a place that is not empty, DatabaseError and
    OSError for a full disk; then no row and no file is left of it. An audit record that is not sound is brought back as
    it is: `problems` tells.
    """
    with path.open("rb") as file:
        manifest, digest = verified(file, path.name)
        _refuse_newer(manifest)
        _refuse_rows()
        wanted = _missing_files(manifest)
        models = _at_schema_of(manifest)
        _bring_back(file, manifest, wanted, models)
    ContentType.objects.clear_cache()
    call_command("migrate", verbosity=0)
    for hook in settings.RESTORE_HOOKS:
        point(hook)()
    found = list(problems())
    audit(None, "restore", path.name, sha256=digest, rows=manifest.rows, files=len(wanted))
    return Restored(manifest.rows, len(wanted), _remarks(manifest), found)


def _refuse_newer(manifest: Manifest) -> None:
    known = MigrationExecutor(connection).loader.disk_migrations or {}
    unknown = [
        f"{app}.{name}" for app, names in manifest.migrations.items() for name in names if (app, name) not in known
    ]
    if unknown:
        raise BackupError(f"The backup was made by a newer version: {unknown[0]} is not known here. Upgrade first.")


def _refuse_rows() -> None:
    """An empty database has no tables, or only the rows that migrations make."""
    tables = set(connection.introspection.table_names())
    for table, model in rows.kept(current.get_models(include_auto_created=True)).items():
        if table in tables and table not in SEEDED and model._base_manager.exists():
            raise BackupError(f"The database is not empty: {table} has rows. Restore into an empty one.")


def _missing_files(manifest: Manifest) -> set[str]:
    """The files that are still to be written; those of an interrupted restore stand there already."""
    var, wanted = Path(settings.VAR_DIR), set()
    for name in manifest.files():
        path = files.target(var, name)
        if not path.exists():
            wanted.add(name)
        elif not path.is_file() or sha256_file(path) != manifest.members[f"files/{name}"][1]:
            raise BackupError(f"The var folder is not empty: {name} is another file. Restore into an empty folder.")
    return wanted


def _at_schema_of(manifest: Manifest) -> dict[str, rows.Model]:
    """Table → model as it was when the backup was made; the database has this schema afterwards."""
    executor = MigrationExecutor(connection)
    nodes = {(app, name) for app, names in manifest.migrations.items() for name in names}
    leaves = [node for node in nodes if not _followers(executor, node) & nodes]
    try:
        executor.migrate(leaves)
    except InvalidMigrationPlan as error:
        raise BackupError(f"The database cannot be brought to the schema of the backup: {error} Empty it.") from error
    state = executor.loader.project_state(leaves).apps
    return rows.kept(state.get_models(include_auto_created=True))


def _followers(executor: MigrationExecutor, node: Node) -> set[Node]:
    """The migrations of the same app that come after this one."""
    children = executor.loader.graph.node_map[node].children
    return {child.key for child in children if child.key[0] == node[0]}


def _bring_back(file: BinaryIO, manifest: Manifest, wanted: set[str], models: dict[str, rows.Model]) -> None:
    var, written = Path(settings.VAR_DIR), []
    try:
        with transaction.atomic():
            stood = audit_triggers.standing(connection)
            audit_triggers.drop(connection)
            _empty(models)
            counts = dict.fromkeys(manifest.tables, 0)
            for member, content in members(file):
                kind, _, name = member.partition("/")
                if kind == "tables":
                    table = name.partition("/")[0]
                    counts[table] += _load(table, manifest, models, content.read())
                elif kind == "files" and name in wanted:
                    path = files.target(var, name)
                    files.write(path, content)
                    written.append(path)
            _settle(manifest, counts, models)
            if stood:
                audit_triggers.install(connection)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _empty(models: dict[str, rows.Model]) -> None:
    """Take away what migrations made: the backup has those rows too."""
    for table in SEEDED:
        if table in models:
            models[table]._base_manager.all().delete()


def _load(table: str, manifest: Manifest, models: dict[str, rows.Model], data: bytes) -> int:
    if table not in models or table not in manifest.tables:
        raise BackupError(f"The backup holds rows of {table}, which its schema does not have.")
    try:
        return rows.load(models[table], manifest.tables[table]["columns"], data)
    except DatabaseError as error:
        raise BackupError(
            f"The database does not take the rows of {table} ({type(error).__name__}: {error})."
        ) from error


def _settle(manifest: Manifest, counts: dict[str, int], models: dict[str, rows.Model]) -> None:
    """Check what stands in the database, free what was in work, and let new rows get new numbers."""
    connection.check_constraints()
    for table, count in counts.items():
        stands = models[table]._base_manager.count()
        if not count == stands == manifest.tables[table]["rows"]:
            raise BackupError(
                f"{table} has {stands} rows after the restore, the backup {manifest.tables[table]['rows']}."
            )
    leased: Any = models["core_chunk"]._base_manager.filter(state="leased")
    leased.update(state="open", owner="", lease_until=None)
    _run_all(connection.ops.sequence_reset_sql(no_style(), list(models.values())))


def _run_all(statements: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _remarks(manifest: Manifest) -> list[str]:
    """What an operator should know about this place."""
    said = []
    if manifest.without_models:
        said.append("The backup was made without models: train again, or put them back from elsewhere.")
    bound = Run.objects.filter(stage__in=BOUND_TO_PATHS).exclude(state__in=FINISHED)
    if manifest.var != str(settings.VAR_DIR) and bound.exists():
        names = ", ".join(str(run) for run in bound.order_by("pk")[:10])
        said.append(
            f"The var folder was {manifest.var}; {names} name files there. Start them anew, or move the folder."
        )
    return said
