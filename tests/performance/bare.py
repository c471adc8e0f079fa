"""The floor under an import: its rows ready made, into tables without constraints and indexes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH = 5000
PROMPT = (
    *("id INTEGER PRIMARY KEY", "corpus_id INTEGER", "run_id INTEGER", "key {bytes}", "text TEXT", "folded TEXT"),
    *("language TEXT", "source_id TEXT", "scenario TEXT", "attack_type TEXT", "payload {json}", "origin TEXT"),
    *("state TEXT", "parents {json}"),
)
RESPONSE = (
    *("id INTEGER PRIMARY KEY", "prompt_id INTEGER", "run_id INTEGER", "key {bytes}", "text TEXT", "kind TEXT"),
    "origin TEXT",
)
TYPES = {"sqlite": {"bytes": "BLOB", "json": "TEXT"}, "postgresql": {"bytes": "BYTEA", "json": "JSONB"}}
PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;"


@dataclass(frozen=True, slots=True)
class Ready:
    """The rows of both tables, and of how many pairs they are."""

    prompts: list[tuple[Any, ...]]
    responses: list[tuple[Any, ...]]
    pairs: int


def ready(path: Path) -> Ready:
    """The rows that an import of the file stores."""
    from annotation import feeding
    from annotation.importers.base import ImportedRow, ImportOptions
    from annotation.importers.safety_prompts import IMPORTER
    from annotation.storing import prompt_columns

    ids: dict[bytes, int] = {}
    prompts: list[tuple[Any, ...]] = []
    responses: list[tuple[Any, ...]] = []
    for number, row in IMPORTER.read(path, ImportOptions()):
        assert isinstance(row, ImportedRow)
        one = feeding.ready(row)
        if one.key not in ids:
            ids[one.key] = len(ids) + 1
            prompts.append((ids[one.key], 1, 1, one.key, *prompt_columns(one)))
        responses.append((number, ids[one.key], 1, *one.responses[0], "imported"))
    return Ready(prompts, responses, len(responses))


def rate(url: str, folder: Path, rows: Ready) -> float:
    """Pairs per second, in batches of 5,000 with a transaction each; without a URL into a new file of SQLite."""
    if not url:
        folder.mkdir()
        return _sqlite(folder / "bare.sqlite3", rows)
    return _postgresql(url, rows)


def _create(vendor: str) -> list[str]:
    return [
        f"CREATE TABLE bare_{name} ({', '.join(columns).format(**TYPES[vendor])})"
        for name, columns in (("prompt", PROMPT), ("response", RESPONSE))
    ]


def _sqlite(path: Path, rows: Ready) -> float:
    places = {len(columns): ", ".join("?" * len(columns)) for columns in (PROMPT, RESPONSE)}
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(PRAGMAS + ";".join(_create("sqlite")))
        began = time.perf_counter()
        for prompts, responses in _batches(rows):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(f"INSERT INTO bare_prompt VALUES ({places[len(PROMPT)]})", prompts)
            database.executemany(f"INSERT INTO bare_response VALUES ({places[len(RESPONSE)]})", responses)
            database.execute("COMMIT")
        return rows.pairs / (time.perf_counter() - began)


def _postgresql(url: str, rows: Ready) -> float:
    import psycopg

    with psycopg.connect(url) as server, server.cursor() as cursor:
        for statement in _create("postgresql"):
            cursor.execute(statement)  # type: ignore[arg-type]  # a text of ours
        server.commit()
        began = time.perf_counter()
        for prompts, responses in _batches(rows):
            for table, batch in (("bare_prompt", prompts), ("bare_response", responses)):
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:  # type: ignore[arg-type]
                    for row in batch:
                        copy.write_row(row)
            server.commit()
        return rows.pairs / (time.perf_counter() - began)


def _batches(rows: Ready) -> list[tuple[Sequence[Any], Sequence[Any]]]:
    places = range(0, rows.pairs, BATCH)
    return [(rows.prompts[at : at + BATCH], rows.responses[at : at + BATCH]) for at in places]
