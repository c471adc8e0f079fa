"""An installation of every released version, brought to the newest schema, used, and brought back."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.migrations import AddIndex
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from tests.helpers.installation import ROOT, Installation, installed, postgres_database

RELEASES = sorted(path for path in (ROOT / "tests" / "fixtures" / "releases").iterdir() if path.is_dir())
OURS = ("core", "annotation", "pipeline", "evaluation")
# Filled anew by Django for new models, or kept by it.
GROWING = {"django_migrations", "django_content_type", "auth_permission", "sqlite_sequence"}
MIGRATIONS = "SELECT app, name FROM django_migrations ORDER BY app, name"
AUDIT = "from madsafe_web.core.audit import problems; print('problems', list(problems()))"
PAGES = """
from django.test import Client
from django.urls import NoReverseMatch, reverse
from madsafe_web.core.models import User
from pipeline.models import TrainingRun
from tests.roles import ADDRESSES
browser = Client(SERVER_NAME="127.0.0.1")
browser.force_login(User.objects.get(username="lead"))
plain = [name for name, methods in ADDRESSES.items() if methods.get("GET", {}).get("lead") == 200]
one = dict.fromkeys(["runs:detail", "annotation:corpus", "annotation:prompt", "pipeline:set"], 1)
one["pipeline:training"] = TrainingRun.objects.get().run_id
for name in plain:
    try:
        address = reverse(name, args=[one[name]] if name in one else [])
    except NoReverseMatch:
        continue
    print("page", browser.get(address).status_code, name)
"""
# A backup as an older version would have made it: by the models of the schema that stands there.
OLD_BACKUP = """
import sys
from django.db import connection
from django.db.migrations import AddIndex
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from madsafe_web.core.backup import making
from madsafe_web.core.backup.archive import Manifest, Writer
loader = MigrationLoader(connection)
applied = {}
for app, name in sorted(loader.applied_migrations):
    applied.setdefault(app, []).append(name)
making.apps = loader.project_state(list(loader.applied_migrations)).apps
with open("PATH", "wb") as out:
    writer = Writer(out, Manifest(made="", vendor=connection.vendor, migrations=applied, var=""))
    making._add_rows(writer)
    writer.end()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def place(vendor: str, stack: ExitStack, folder: Path) -> Installation:
    database = stack.enter_context(postgres_database()) if vendor == "postgresql" else ""
    return stack.enter_context(installed(folder, database))


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def released(request: pytest.FixtureRequest, vendor: str, stack: ExitStack, tmp_path: Path) -> Installation:
    """The dump of a release, loaded."""
    made = place(vendor, stack, tmp_path / "installation")
    dump = gzip.decompress((request.param / f"{vendor}.sql.gz").read_bytes()).decode()
    if vendor == "sqlite":
        with closing(sqlite3.connect(made.var / "madsafe.sqlite3")) as database:
            database.executescript(dump)
    else:
        import psycopg

        with psycopg.connect(made.database_url) as server:
            server.execute(dump)  # type: ignore[arg-type]  # a text of ours
    return made


def counts(made: Installation) -> dict[str, int]:
    """Table → rows."""
    # The search index has no rows to count.
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'annotation_promptsearch%'"
    if made.database_url:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    names = sorted(name for (name,) in made.rows(tables) if name not in GROWING)
    one = " UNION ALL ".join(f"SELECT '{name}', COUNT(*) FROM {name}" for name in names)
    return dict(made.rows(one))


def migrate(made: Installation, *target: str) -> None:
    done = made.manage("migrate", "-v0", *target)
    assert done.code == 0, done.err


@pytest.mark.slow
def test_a_release_is_brought_up_to_date_used_and_brought_back(released: Installation) -> None:
    before = counts(released)
    assert min(before[name] for name in ("core_auditevent", "core_run", "annotation_judgement")) > 0
    migrate(released)
    after = counts(released)
    assert {name: after[name] for name in before} == before
    assert "problems []" in released.manage("shell", "-v0", "-c", AUDIT).out
    pages = released.manage("shell", "-v0", "-c", PAGES).out.splitlines()
    assert [line for line in pages if not line.startswith("page 200 ")] == []
    assert len(pages) > 10
    with_pages = counts(released)
    migrate(released, "core", "0001")
    assert {name: rows for name, rows in counts(released).items() if name in before} == {
        name: with_pages[name] for name in before
    }
    migrate(released)
    assert "problems []" in released.manage("shell", "-v0", "-c", AUDIT).out


@pytest.mark.slow
def test_nothing_is_lost_by_going_back_to_a_version_without_room_for_it(released: Installation) -> None:
    migrate(released)
    program = "from annotation.models import Taxonomy; Taxonomy.objects.create(version=2, name='Ours')"
    assert released.manage("shell", "-v0", "-c", program).code == 0
    applied = released.rows(MIGRATIONS)
    refused = released.manage("migrate", "-v0", "core", "0001")
    assert (refused.code, released.rows(MIGRATIONS)) == (1, applied)
    assert "no place for 1 versions of the categories. To go back, restore the backup" in refused.err
    migrate(released)
    assert released.rows("SELECT name FROM annotation_taxonomy WHERE version = 2") == [("Ours",)]


@pytest.mark.slow
def test_a_backup_of_a_release_is_restored_and_brought_up_to_date(
    released: Installation, vendor: str, stack: ExitStack, tmp_path: Path
) -> None:
    path = tmp_path / "old.tar"
    done = released.manage("shell", "-v0", "-c", OLD_BACKUP.replace("PATH", str(path)))
    assert done.code == 0, done.err
    made = place(vendor, stack, tmp_path / "restored")
    done = made.manage("restore", str(path))
    assert (done.code, done.err) == (0, "")
    before, after = counts(released), counts(made)
    before.pop("core_workerpulse")
    before["core_auditevent"] += 1  # the restore itself
    assert {name: after[name] for name in before} == before


def test_every_release_has_a_dump_of_both_databases() -> None:
    assert RELEASES
    for folder in RELEASES:
        assert {path.name for path in folder.iterdir()} == {"README.md", "postgresql.sql.gz", "sqlite.sql.gz"}


@pytest.mark.parametrize("app", OURS)
def test_migrations_are_one_line_without_a_fork(app: str) -> None:
    loader = MigrationLoader(None)
    assert len(loader.graph.leaf_nodes(app)) == 1
    for (owner, _), migration in loader.disk_migrations.items():
        if owner == app:
            assert len([parent for parent in migration.dependencies if parent[0] == app]) <= 1


def test_every_migration_can_be_taken_back() -> None:
    loader = MigrationLoader(None)
    stuck = [
        f"{app}.{name}: {operation.describe()}"
        for (app, name), migration in loader.disk_migrations.items()
        for operation in migration.operations
        if app in OURS and not operation.reversible
    ]
    assert stuck == []


def test_the_index_over_the_rows_of_all_runs_is_built_while_no_other_table_is_locked() -> None:
    migrations = MigrationLoader(None).disk_migrations.values()
    (building,) = (one for one in migrations if any(_is_index(operation) for operation in one.operations))
    assert {getattr(operation, "model_name", "") for operation in building.operations} == {"runrow"}


def _is_index(operation: Operation) -> bool:
    return isinstance(operation, AddIndex) and operation.index.name == "runrow_ended"


@pytest.mark.django_db
def test_no_model_is_without_its_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
