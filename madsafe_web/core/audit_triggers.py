"""The triggers by which the database refuses to change the audit record, on SQLite and PostgreSQL.

A migration installs them. A later migration that rebuilds one of the two tables on SQLite must install them again:
`manage.py audit verify` and a test notice when they are gone.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

REFUSED = "the audit record is append-only"
NAMES = ("audit_event_kept", "audit_event_unchanged", "audit_head_kept", "audit_head_forward")
ABORT = f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
SQLITE = (
    f"CREATE TRIGGER audit_event_kept BEFORE DELETE ON core_auditevent {ABORT}",
    f"CREATE TRIGGER audit_event_unchanged BEFORE UPDATE ON core_auditevent {ABORT}",
    f"CREATE TRIGGER audit_head_kept BEFORE DELETE ON core_audithead {ABORT}",
    f"CREATE TRIGGER audit_head_forward BEFORE UPDATE ON core_audithead WHEN NEW.sequence <> OLD.sequence + 1 {ABORT}",
)
POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{REFUSED}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER audit_event_kept BEFORE DELETE OR TRUNCATE ON core_auditevent "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_event_unchanged BEFORE UPDATE ON core_auditevent "
    "FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_head_kept BEFORE DELETE OR TRUNCATE ON core_audithead "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_head_forward BEFORE UPDATE ON core_audithead "
    "FOR EACH ROW WHEN (NEW.sequence <> OLD.sequence + 1) EXECUTE FUNCTION audit_refuse()",
)


def install(connection: BaseDatabaseWrapper) -> None:
    """Put the triggers in place, those that stand already anew."""
    drop(connection)
    _execute(connection, SQLITE if connection.vendor == "sqlite" else POSTGRESQL)


def drop(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away: only for undoing the migration, and for tests that empty their tables."""
    tables = ("core_auditevent", "core_auditevent", "core_audithead", "core_audithead")
    on = [""] * 4 if connection.vendor == "sqlite" else [f" ON {table}" for table in tables]
    _execute(connection, [f"DROP TRIGGER IF EXISTS {name}{place}" for name, place in zip(NAMES, on, strict=True)])


def standing(connection: BaseDatabaseWrapper) -> set[str]:
    """The names of the triggers that are in place."""
    sqlite = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    postgresql = "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'"
    with connection.cursor() as cursor:
        cursor.execute(sqlite if connection.vendor == "sqlite" else postgresql)
        return {name for (name,) in cursor.fetchall()}.intersection(NAMES)


def _execute(connection: BaseDatabaseWrapper, statements: list[str] | tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
