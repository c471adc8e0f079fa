"""How fast the explorer answers with 300,000 prompts, beside an empty page of the same frame, and how fast it exports.

`python -m tests.performance.explorer [--prompts N] [--database sqlite|postgresql]`. 200 random combinations of 0–4
filters, two thirds of them with a word of 1–6 characters, in a random order and on a random page, once as the list and
once as a facet; and 200 prompt pages. Requests go through Django's test client: all of the middleware, the view and the
template, without a socket. Warm; the first view, which reads the catalogue, stands apart. TEST_POSTGRES_URL names the
server for the second database.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from random import Random
from typing import Any

from tests.helpers.installation import ROOT, postgres_database
from tests.performance import common, explorer_data

COMBINATIONS, EXPORTED = 200, 100_000
MOST_MS, MOST_FLOORS, MOST_EXPORT_S, MOST_GROWTH_MB = 60.0, 8.0, 1.5, 60.0
FACETS = ("corpus", "category", "label", "language", "scenario", "attack", "origin", "state", "responses", "scores")
SORTS = ("", "id", "perplexity", "-response_safety", "instruction_safety", "length")
WORST = ("list_p95_ms", "search_p95_ms", "facet_p95_ms", "prompt_p95_ms", "floor_p95_ms", "cold_ms", "export_100k_s")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=300_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        print(json.dumps(measure(options.prompts)), flush=True)
        return common.EXIT_MEASURED
    servers = ["sqlite", *(["postgresql"] if os.environ.get("TEST_POSTGRES_URL") else [])]
    found = {name: apart(name, options.prompts) for name in ([options.database] if options.database else servers)}
    columns = [*WORST, "growth_mb"]
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
    if facts["export_100k_s"] > MOST_EXPORT_S:
        said.append(f"{name}: 100,000 rows took {facts['export_100k_s']:.2f} s to export.")
    if facts["growth_mb"] > MOST_GROWTH_MB:
        said.append(f"{name}: the export took {facts['growth_mb']:.0f} MB more memory.")
    return said


def apart(database: str, prompts: int) -> dict[str, float]:
    """The figures with one database, measured in a process of its own with an empty var folder."""
    with tempfile.TemporaryDirectory(prefix="madsafe-performance-") as folder, ExitStack() as stack:
        url = stack.enter_context(postgres_database()) if database == "postgresql" else ""
        settings = {"MADSAFE_VAR": folder, "PYTHONPATH": str(ROOT), **({"DATABASE_URL": url} if url else {})}
        command = [sys.executable, "-m", "tests.performance.explorer", "--inside", "--prompts", str(prompts)]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.PIPE, check=True)
    facts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
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
    cold = timed(client, "/prompts/")
    for address in (*(f"/prompts/?sort={sort}" for sort in SORTS), *(f"/prompts/facets/{one}/" for one in FACETS)):
        timed(client, address)  # what is worked out once for a data version
    asked = [explorer_data.query(random) for _ in range(COMBINATIONS)]
    pages = [f"{query}&sort={random.choice(SORTS)}&page={random.choice((1, 2, 7, 99, 4000))}" for query in asked]
    lists = [timed(client, f"/prompts/?{page}") for page in pages]
    facets = [timed(client, f"/prompts/facets/{random.choice(FACETS)}/?{query}") for query in asked]
    single = [timed(client, f"/prompts/{random.randint(1, prompts)}/") for _ in range(COMBINATIONS)]
    seconds, growth = export(client)
    return {
        "list_p95_ms": p95(lists),
        "search_p95_ms": p95([ms for ms, query in zip(lists, asked, strict=True) if "q=" in query]),
        "facet_p95_ms": p95(facets),
        "prompt_p95_ms": p95(single),
        "floor_p95_ms": p95(floor),
        "cold_ms": round(cold, 1),
        "list_p50_ms": round(statistics.median(lists), 1),
        "export_100k_s": round(seconds, 2),
        "growth_mb": round(growth, 1),
    }


def p95(values: Sequence[float]) -> float:
    return round(sorted(values)[int(0.95 * len(values))], 1)


def signed_in() -> Any:
    """The browser of a lead, and one page more that is the frame with nothing in it."""
    from django.conf import settings
    from django.test import Client

    from madsafe_web.core.models import User

    settings.ROOT_URLCONF = "tests.performance.explorer_empty"
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.create(username="lead", role=User.Role.LEAD))
    return client


def timed(client: Any, address: str) -> float:
    """Milliseconds of one page, which must be there."""
    began = time.perf_counter()
    answer = client.get(address)
    took = 1000 * (time.perf_counter() - began)
    assert answer.status_code == 200, (address, answer.status_code)
    return took


def export(client: Any) -> tuple[float, float]:
    """Seconds for the first corpus as JSONL, and how many MB the process grew above what it held before."""
    import psutil

    process = psutil.Process()
    before = most = process.memory_info().rss
    began = time.perf_counter()
    answer = client.post("/prompts/file/jsonl/?corpus=1")
    rows = 0
    for piece in answer.streaming_content:
        rows += piece.count(b"\n")
        most = max(most, process.memory_info().rss)
    seconds = time.perf_counter() - began
    return seconds * EXPORTED / max(rows, 1), (most - before) / 2**20


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
