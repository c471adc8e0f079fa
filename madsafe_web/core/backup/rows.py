"""The rows of the tables as compressed lines of JSON that any database can take again.

Written and read some megabytes at a time, so memory stays flat however large a table is.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeAlias

import orjson
from django.db import connection, models
from django.db.models.sql import InsertQuery

from madsafe_web.core.backup.archive import BackupError

PART_BYTES = 4 * 2**20  # of lines, before they are compressed
LEVEL = 1  # of gzip: twice as fast as the usual 6 and only a tenth larger
BATCH = 500
# Sessions end with a restore, and no worker of the old place is heard any more.
LEFT_OUT = frozenset({"django_session", "core_workerpulse", "core_endpointsharer"})
# What JSON holds just as the databases do; the values of all other fields are converted.
PLAIN = (
    *(models.CharField, models.TextField, models.IntegerField, models.FloatField, models.BooleanField),
    models.ForeignKey,
)
Model = type[models.Model]
Field: TypeAlias = "models.Field[Any, Any]"


def kept(found: Iterable[Model]) -> dict[str, Model]:
    """Table → model, of those whose rows belong into a backup."""
    own = (model for model in found if model._meta.managed and not model._meta.proxy)
    return {model._meta.db_table: model for model in own if model._meta.db_table not in LEFT_OUT}


def columns(model: Model) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


@contextmanager
def snapshot() -> Iterator[None]:
    """The database as it is now, whatever others write meanwhile; keeps nobody from writing."""
    postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if postgresql else "BEGIN DEFERRED")
        cursor.execute("SELECT COUNT(*) FROM django_migrations")  # the snapshot is of the first read
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def parts(model: Model) -> Iterator[tuple[bytes, int]]:
    """All rows in the order of their keys: compressed lines, and how many they are."""
    lines: list[bytes] = []
    size = 0
    for row in model._base_manager.order_by("pk").values_list(*columns(model)).iterator(2000):
        lines.append(orjson.dumps(row, default=_plain, option=orjson.OPT_APPEND_NEWLINE))
        size += len(lines[-1])
        if size >= PART_BYTES:
            yield gzip.compress(b"".join(lines), LEVEL, mtime=0), len(lines)
            lines, size = [], 0
    if lines:
        yield gzip.compress(b"".join(lines), LEVEL, mtime=0), len(lines)


def _plain(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    raise TypeError(f"{type(value).__name__} has no form in a backup")


def load(model: Model, names: Sequence[str], data: bytes) -> int:
    """Insert the rows of one part as they are; gives their number. Raises BackupError for an unknown column."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    if missing := set(names) - set(fields):
        raise BackupError(f"{model._meta.db_table} has no column {min(missing)} at the schema of the backup.")
    chosen = [fields[name] for name in names]
    statement, converted = _insert(model, chosen), _converted(chosen)
    count, lines = 0, iter(gzip.decompress(data).splitlines())
    with connection.cursor() as cursor:
        while batch := [orjson.loads(line) for line in islice(lines, BATCH)]:
            for row in batch:
                for place, convert in converted:
                    row[place] = convert(row[place])
            cursor.executemany(statement, batch)
            count += len(batch)
    return count


def _insert(model: Model, chosen: Sequence[Field]) -> str:
    """Django's own statement for one row of these columns."""
    query = InsertQuery(model)
    query.insert_values(chosen, [model()], raw=True)
    ((statement, _),) = query.get_compiler(connection=connection).as_sql()
    return str(statement)


def _converted(chosen: Sequence[Field]) -> list[tuple[int, Callable[[Any], Any]]]:
    """How to make the database's value of JSON's, by the place of the column, where the two differ."""

    def converter(field: Field) -> Callable[[Any], Any]:
        if isinstance(field, models.JSONField):
            return lambda value: field.get_db_prep_save(value, connection)
        return lambda value: field.get_db_prep_save(field.to_python(value), connection)

    return [(place, converter(field)) for place, field in enumerate(chosen) if not isinstance(field, PLAIN)]
