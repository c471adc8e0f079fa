"""How fast the explorer answers with 300,000 prompts, beside an empty page of the same frame, and how fast it exports.

`python -m tests.performance.explorer [--prompts N] [--database sqlite|postgresql]`. 200 random combinations of 0–4
filters, two thirds of them with a word of 1–6 characters, in a random order and on a random page, once as the list and
once as a facet; and 200 prompt pages. Requests go through Django's test client: all of the middleware, the view and the
template, without a socket. Warm; apart stand the first view of all (`first_ms`, from the database), the seconds until
the catalogue is made and kept (`made_s`), and the first view of another process, which finds it kept (`cold_ms`).
TEST_POSTGRES_URL names the server for the second database.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from random import Random
from typing import Any

from tests.helpers.installation import ROOT, postgres_database
from tests.performance import common, explorer_data

COMBINATIONS, EXPORTED = 200, 100_000
MOST_MS, MOST_FLOORS, MOST_COLD_MS, MOST_EXPORT_S, MOST_GROWTH_MB = 60.0, 8.0, 1000.0, 1.5, 60.0
FACETS = ("corpus", "category", "label", "language", "scenario", "attack", "origin", "state", "responses", "scores")
SORTS = ("", "id", "perplexity", "-response_safety", "instruction_safety", "length")
WORST = (
    "list_p95_ms",
    "search_p95_ms",
    "facet_p95_ms",
    "prompt_p95_ms",
    "floor_p95_ms",
    "first_ms",
    "cold_ms",
    "export_100k_s",
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=300_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    parser.add_argument("--inside", choices=["first", "second"], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        print(json.dumps(measure(options.prompts) if options.inside == "first" else measure_again()), flush=True)
        return common.EXIT_MEASURED
    servers = ["sqlite", *(["postgresql"] if os.environ.get("TEST_POSTGRES_URL") else [])]
    found = {name: apart(name, options.prompts) for name in ([options.database] if options.database else servers)}
    columns = [*WORST, "made_s", "export_100k_cpu_s", "growth_mb", "memory_mb"]
    rows = [(name, *(facts[column] for column in columns)) for name, facts in found.items()]
    common.print_table(("database", *columns), rows)
    worst = {name: max(facts[name] for facts in found.values()) for name in WORST}
    remarks = [sentence for name, facts in found.items() for sentence in complaints(name, facts)]
    return common.end({**worst, "prompts": options.prompts, "database": found}, remarks=remarks)


def complaints(name: str, facts: dict[str, float]) -> list[str]:
    """What does not hold of the bounds, as sentences."""
    most = max(MOST_MS, MOST_FLOORS * facts["floor_p95_ms"])
    said = [
        f"{name}: {key} is {facts[key]:.1f}, more than {most:.1f}."
        for key in ("list_p95_ms", "search_p95_ms", "facet_p95_ms", "prompt_p95_ms")
        if facts[key] > most
    ]
    if facts["cold_ms"] > MOST_COLD_MS:
        said.append(f"{name}: the first view of another process took {facts['cold_ms']:.0f} ms.")
    if facts["export_100k_s"] > MOST_EXPORT_S:
        said.append(f"{name}: 100,000 rows took {facts['export_100k_s']:.2f} s to export.")
    if facts["growth_mb"] > MOST_GROWTH_MB:
        said.append(f"{name}: the export took {facts['growth_mb']:.0f} MB more memory.")
    return said


def apart(database: str, prompts: int) -> dict[str, float]:
    """The figures with one database, measured in two new processes over one var folder, empty at first."""
    with tempfile.TemporaryDirectory(prefix="madsafe-performance-") as folder, ExitStack() as stack:
        url = stack.enter_context(postgres_database()) if database == "postgresql" else ""
        settings = {"MADSAFE_VAR": folder, "PYTHONPATH": str(ROOT), **({"DATABASE_URL": url} if url else {})}
        command = [sys.executable, "-m", "tests.performance.explorer", "--prompts", str(prompts), "--inside"]
        facts: dict[str, float] = {}
        for process in ("first", "second"):
            env = {**os.environ, **settings}
            done = subprocess.run([*command, process], cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True)
            facts |= json.loads(done.stdout.splitlines()[-1])
    return facts


def measure(prompts: int) -> dict[str, float]:
    """Fill the database of this process and measure; the process must be new."""
    common.setup_django()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    random = Random(4)
    explorer_data.fill(random, prompts)
    client = signed_in()
    floor = [timed(client, "/empty/") for _ in range(COMBINATIONS)]
    first, made = timed(client, "/prompts/"), until_made(client)
    for address in (*(f"/prompts/?sort={sort}" for sort in SORTS), *(f"/prompts/facets/{one}/" for one in FACETS)):
        timed(client, address)  # what is worked out once for a data version
    asked = [explorer_data.query(random) for _ in range(COMBINATIONS)]
    pages = [f"{query}&sort={random.choice(SORTS)}&page={random.choice((1, 2, 7, 99, 4000))}" for query in asked]
    lists = [timed(client, f"/prompts/?{page}") for page in pages]
    facets = [timed(client, f"/prompts/facets/{random.choice(FACETS)}/?{query}") for query in asked]
    single = [timed(client, f"/prompts/{random.randint(1, prompts)}/") for _ in range(COMBINATIONS)]
    seconds, processor, growth = export(client)
    return {
        "list_p95_ms": p95(lists),
        "search_p95_ms": p95([ms for ms, query in zip(lists, asked, strict=True) if "q=" in query]),
        "facet_p95_ms": p95(facets),
        "prompt_p95_ms": p95(single),
        "floor_p95_ms": p95(floor),
        "first_ms": round(first, 1),
        "made_s": round(made, 2),
        "list_p50_ms": round(statistics.median(lists), 1),
        "export_100k_s": round(seconds, 2),
        "export_100k_cpu_s": round(processor, 2),
        "growth_mb": round(growth, 1),
    }


def measure_again() -> dict[str, float]:
    """The first view of a new process over the same installation, and the memory that is its own after it."""
    common.setup_django()
    import psutil

    client = signed_in()
    timed(client, "/empty/")
    before = psutil.Process().memory_full_info().uss
    cold = timed(client, "/prompts/")
    for name in FACETS:
        timed(client, f"/prompts/facets/{name}/")
    grown = psutil.Process().memory_full_info().uss - before
    return {"cold_ms": round(cold, 1), "memory_mb": round(grown / 2**20, 1)}


def until_made(client: Any) -> float:
    """Seconds until the catalogue answers and is kept."""
    began, pause = time.perf_counter(), threading.Event()
    while b"counted in the database" in client.get("/prompts/").content or threading.active_count() > 1:
        pause.wait(0.05)
    return time.perf_counter() - began


def p95(values: Sequence[float]) -> float:
    return round(sorted(values)[int(0.95 * len(values))], 1)


def signed_in() -> Any:
    """The browser of a lead, and one page more that is the frame with nothing in it."""
    from django.conf import settings
    from django.test import Client

    from madsafe_web.core.models import User

    settings.ROOT_URLCONF = "tests.performance.explorer_empty"
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.get_or_create(username="lead", defaults={"role": User.Role.LEAD})[0])
    return client


def timed(client: Any, address: str) -> float:
    """Milliseconds of one page, which must be there."""
    began = time.perf_counter()
    answer = client.get(address)
    took = 1000 * (time.perf_counter() - began)
    assert answer.status_code == 200, (address, answer.status_code)
    return took


def export(client: Any) -> tuple[float, float, float]:
    """Seconds for 100,000 rows as JSONL, by the clock and of the processor, and how many MB the process grew."""
    import psutil

    process = psutil.Process()
    before = most = process.memory_info().rss
    began, worked = time.perf_counter(), time.process_time()
    answer = client.post("/prompts/file/jsonl/?corpus=1")
    rows = 0
    for piece in answer.streaming_content:
        rows += piece.count(b"\n")
        most = max(most, process.memory_info().rss)
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    share = EXPORTED / max(rows, 1)
    return seconds * share, processor * share, (most - before) / 2**20


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
