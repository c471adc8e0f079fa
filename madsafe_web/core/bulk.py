"""Many rows at once, past the ORM: `executemany` on SQLite, COPY on PostgreSQL. See docs/decisions/0013."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from django.db import connection, models
from django.db.models import QuerySet

Model = type[models.Model]


def insert(model: Model, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Store rows given as the database takes them (JSON as text), in the order of the named columns.

    Every column that must not be empty has to be named: defaults of the model do not count here. Raises IntegrityError.
    """
    if not rows:
        return
    quote = connection.ops.quote_name
    table, columns = quote(model._meta.db_table), ", ".join(map(quote, names))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * len(names))
            statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608  # names of models
            cursor.executemany(statement, rows)


def insert_at_once(model: Model, names: Sequence[str], rows: Sequence[tuple[Any, ...]], *, known: str = "") -> None:
    """As `insert`, in a single statement, without bytes; with `known="kept"`, what collides with a row is left out.

    SQLite hands over to other threads with every row of `executemany`, and a busy event loop is slow to give back. COPY
    of PostgreSQL knows no conflicts.
    """
    if not rows:
        return
    quote = connection.ops.quote_name
    table, columns = quote(model._meta.db_table), ", ".join(map(quote, names))
    if connection.vendor == "postgresql":
        kinds = {field.column: str(field.db_type(connection)) for field in model._meta.concrete_fields}
        arrays = ", ".join(f"%s::{kinds[name].partition('(')[0]}[]" for name in names)
        source = f"SELECT * FROM unnest({arrays})"  # noqa: S608  # types of models
        values: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    else:
        cells = ", ".join(f"json_extract(value, '$[{place}]')" for place in range(len(names)))
        source, values = f"SELECT {cells} FROM json_each(%s) WHERE true", [orjson.dumps(rows).decode()]  # noqa: S608
    kept = " ON CONFLICT DO NOTHING" if known == "kept" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({columns}) {source}{kept}", values)  # names of models


def found(model: Model, names: Sequence[str], among: str, values: Iterable[Any], **fixed: Any) -> list[tuple[Any, ...]]:
    """The named columns of the rows with any of these values in the column `among`, and `fixed` ones in others.

    The ORM takes longer to look at thousands of values than the database to find them.
    """
    quote, values = connection.ops.quote_name, list(values)
    if not values:
        return []
    table, columns = quote(model._meta.db_table), ", ".join(map(quote, names))
    sqlite = connection.vendor == "sqlite"
    places = f"IN ({', '.join(['%s'] * len(values))})" if sqlite else "= ANY(%s)"
    conditions = [f"{quote(among)} {places}", *(f"{quote(name)} = %s" for name in fixed)]
    statement = f"SELECT {columns} FROM {table} WHERE {' AND '.join(conditions)}"  # noqa: S608  # names of models
    with connection.cursor() as cursor:
        cursor.execute(statement, [*(values if sqlite else [values]), *fixed.values()])
        return list(cursor.fetchall())


def fetched(rows: QuerySet[Any, Any]) -> list[tuple[Any, ...]]:
    """The rows of a `values_list` of texts and numbers, as the database gives them: a quarter faster than the ORM."""
    statement, values = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def next_ids(model: Model, count: int) -> Sequence[int]:
    """Ids that no row has and no other writer gets. Call inside the transaction that stores the rows."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            reserve = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
            cursor.execute(reserve, [table, count])
            return [pk for (pk,) in cursor.fetchall()]
        # A transaction here is the only writer, so what comes after the highest number ever given is free.
        cursor.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = %s", [table])
        first = cursor.fetchone()[0] + 1
    return range(first, first + count)


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Without looking for cycles among many rows, which have none: it takes a fifth to a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
