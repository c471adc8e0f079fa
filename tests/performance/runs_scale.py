"""How fast a run of 1,000,000 rows that are done is started, paused and shown.

`python -m tests.performance.runs_scale [--rows N] [--database sqlite|postgresql]`. One row in fifty failed; the last
chunk is still open. Requests go through Django's test client: all of the middleware, the view and the template, without
a socket. Each is made twenty times; the worst but one counts. TEST_POSTGRES_URL names the server for the second
database.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from tests.helpers.installation import ROOT, postgres_database
from tests.performance import common

MOST_MS = 200.0
TIMES = 20
CHUNK_ROWS, FAILED_EVERY = 500, 50
CLASSES = ("timeout", "server_error", "bad_request", "connection")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        print(json.dumps(measure(options.rows)), flush=True)
        return common.EXIT_MEASURED
    servers = ["sqlite", *(["postgresql"] if os.environ.get("TEST_POSTGRES_URL") else [])]
    found = {name: apart(name, options.rows) for name in ([options.database] if options.database else servers)}
    columns = list(next(iter(found.values())))
    common.print_table(("database", *columns), [(name, *facts.values()) for name, facts in found.items()])
    worst = {column: max(facts[column] for facts in found.values()) for column in columns}
    remarks = [f"{name} took {ms:.0f} ms, more than {MOST_MS:.0f}." for name, ms in worst.items() if ms > MOST_MS]
    return common.end({**worst, "rows": options.rows, "database": found}, remarks=remarks)


def apart(database: str, rows: int) -> dict[str, float]:
    """The figures with one database, measured in a process of its own with an empty var folder."""
    with tempfile.TemporaryDirectory(prefix="madsafe-performance-") as folder, ExitStack() as stack:
        url = stack.enter_context(postgres_database()) if database == "postgresql" else ""
        settings = {"MADSAFE_VAR": folder, "PYTHONPATH": str(ROOT), **({"DATABASE_URL": url} if url else {})}
        command = [sys.executable, "-m", "tests.performance.runs_scale", "--inside", "--rows", str(rows)]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.PIPE, check=True)
    facts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return facts


def measure(rows: int) -> dict[str, float]:
    """Milliseconds of each request."""
    common.setup_django()
    from django.conf import settings
    from django.core.management import call_command

    settings.ALLOWED_HOSTS = ["testserver"]
    call_command("migrate", verbosity=0)
    from django.test import Client

    from madsafe_web.core.models import User

    run = made(rows)
    client = Client()
    client.force_login(User.objects.create(username="lead", role="lead"))
    page = f"/runs/{run}/"
    client.get(page)  # what a process loads once
    failed = f"{page}failed/"
    reads = {"show": page, "progress": f"{page}progress/", "list": "/runs/", "failed": failed}
    reads["failed_class"] = f"{failed}?kind={CLASSES[0]}"
    found = {f"{name}_ms": worst(lambda path=path: client.get(path)) for name, path in reads.items()}
    starts, pauses = [], []
    for _ in range(TIMES):
        starts.append(taken(lambda: client.post(f"{page}resume/")))
        pauses.append(taken(lambda: client.post(f"{page}pause/")))
    return {**found, "start_ms": last_but_one(starts), "pause_ms": last_but_one(pauses)}


def worst(act: Callable[[], Any]) -> float:
    return last_but_one([taken(act) for _ in range(TIMES)])


def last_but_one(times: Sequence[float]) -> float:
    return sorted(times)[-2]


def taken(act: Callable[[], Any]) -> float:
    """Milliseconds of a request that must do what it says."""
    start = time.perf_counter()
    answer = act()
    ms = (time.perf_counter() - start) * 1000
    assert answer.status_code in (200, 286, 302), answer.status_code
    return round(ms, 1)


def made(rows: int) -> int:
    """The id of a paused run whose rows are done but for those of the last chunk."""
    from django.utils import timezone

    from madsafe_web.core.models import Chunk, Run

    run = Run.objects.create(
        stage="label", state="paused", total=rows + CHUNK_ROWS, actor_name="test", started=timezone.now()
    )
    failed = len(range(0, CHUNK_ROWS, FAILED_EVERY))
    ended = {"read": CHUNK_ROWS, "kept": CHUNK_ROWS - failed, "failed": failed, "state": "done", "calls": CHUNK_ROWS}
    count = rows // CHUNK_ROWS
    for first in range(0, count, 100):
        Chunk.objects.bulk_create(
            Chunk(run=run, seq=seq, subjects=subjects(seq), **ended) for seq in range(first, min(first + 100, count))
        )
    Chunk.objects.create(run=run, seq=count, subjects=subjects(count))
    _rows(run.pk, rows)
    return int(run.pk)


def subjects(seq: int) -> list[str]:
    return [str(number) for number in range(seq * CHUNK_ROWS, (seq + 1) * CHUNK_ROWS)]


def _rows(run: int, rows: int) -> None:
    from django.db import connection, transaction

    statement = "INSERT INTO core_runrow (run_id, subject, outcome, error_class, message) VALUES (%s, %s, %s, %s, %s)"
    for first in range(0, rows, 50_000):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(statement, list(_ends(run, first, min(first + 50_000, rows))))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _ends(run: int, first: int, last: int) -> Iterator[tuple[object, ...]]:
    for number in range(first, last):
        if number % FAILED_EVERY:
            yield (run, str(number), "done", "", "")
        else:
            kind = CLASSES[number // FAILED_EVERY % len(CLASSES)]
            yield (run, str(number), "error", kind, f"{kind}: no answer")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
