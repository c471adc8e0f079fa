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


def insert(model: Model, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Store rows given as the database takes them (JSON as text), in the order of the named columns.

    Every column that must not be empty has to be named: defaults of the model do not count here. Raises IntegrityError.
    """
    quote = connection.ops.quote_name
    table, columns = quote(model._meta.db_table), ", ".join(map(quote, names))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        elif rows := list(rows):
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
        kinds = _kinds(model)
        arrays = ", ".join(f"%s::{kinds[name]}[]" for name in names)
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

    The ORM takes longer to look at thousands of values than the database to find them. No value may be given twice.
    An index has to begin with `among`: without one, PostgreSQL reads the whole table for each value.
    """
    values = sorted(values)  # neighbours in the index lie on the same page
    if not values:
        return []
    quote = connection.ops.quote_name
    table, columns = quote(model._meta.db_table), ", ".join(map(quote, names))
    if connection.vendor == "postgresql":
        # Each value by the index that begins with its column. Where the planner has no new statistics of a table, it
        # would read all of it: once for all values, or, by another index that begins with a `fixed` one, for each.
        read = ", ".join(map(quote, dict.fromkeys([*names, *fixed])))
        one = f"SELECT {read} FROM {table} WHERE {quote(among)} = wanted.value OFFSET 0"  # noqa: S608  # names of models
        source = f"unnest(%s::{_kinds(model)[among]}[]) AS wanted(value) CROSS JOIN LATERAL ({one}) AS found"
        conditions, given = [], [_array(values)]
    else:
        source, given = table, values
        conditions = [f"{quote(among)} IN ({', '.join(['%s'] * len(values))})"]
    conditions += [f"{quote(name)} = %s" for name in fixed]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {source}{where}", [*given, *fixed.values()])  # noqa: S608
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
            # The sequence is looked up once: without the inner SELECT, for every id.
            sequence = "(SELECT pg_get_serial_sequence(%s, 'id')::regclass)"
            reserve = f"SELECT nextval({sequence}) FROM generate_series(1, %s)"  # noqa: S608
            cursor.execute(reserve, [table, count])
            return [pk for (pk,) in cursor.fetchall()]
        # A transaction here is the only writer, so what comes after the highest number ever given is free.
        cursor.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = %s", [table])
        first = cursor.fetchone()[0] + 1
    return range(first, first + count)


def prepare_writing() -> None:
    """Tell PostgreSQL that the transaction writes many rows. Call first in it; others are not told.

    Its commit does not wait for the disk. Should the machine or the server fail within 0.6 seconds (three times
    wal_writer_delay), the last of these transactions are gone, each as a whole, as if they had never been: whoever
    notes in them how far it came goes on from there. Any other commit after them, such as the one that ends the work,
    waits for them as well. Compiling a statement and bitmaps of rows only cost time where rows are looked up one by
    one, whatever the planner expects of tables that it does not know yet.
    """
    if connection.vendor == "postgresql":
        settings = {"synchronous_commit": "off", "jit": "off", "enable_bitmapscan": "off"}
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {calls}")


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Without looking for cycles among many rows, which have none: it takes a fifth to a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _kinds(model: Model) -> dict[str, str]:
    """Column → its type on PostgreSQL, without the most characters."""
    return {str(one.column): str(one.db_type(connection)).partition("(")[0] for one in model._meta.concrete_fields}


def _array(values: list[Any]) -> Any:
    """Values as an array parameter; bytes as the text of one, which psycopg takes fifty times as long to write."""
    if isinstance(values[0], bytes):
        return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"
    return values
