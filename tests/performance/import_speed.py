"""How fast prompt-response pairs come in: read, folded, hashed, told from duplicates, stored, and prompts searchable.

`python -m tests.performance.import_speed [--pairs 300000] [--quick] [--gigabyte] [--database sqlite|postgresql]`.
The file is shaped like Safety-Prompts (tests/performance/pairs.py) and imported by the stage, each time into a new
installation; beside each import the same columns go bare into tables without indexes, by `executemany` on SQLite and by
COPY on PostgreSQL, ready made. The ratio is that of the medians. --gigabyte imports a file of 1 GB once, for the memory
it takes. Where even the bare rows are slow, the machine is too busy and the result void (exit 3).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.installation import installed, postgres_database
from tests.performance import bare, common, pairs

LEAST_RATIO, LEAST_RATE, MOST_GROWTH_MB = 0.08, 12_000, 150
LEAST_BARE = 80_000
IMPORT = """
import json, re, sys, time
from pathlib import Path
import django
django.setup()
from annotation.models import Prompt
from annotation.searching import matching
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
def imported(path):
    run = service.run_create(stage_name="import", values={"files": [{"path": path, "format": "safety_prompts"}]})
    service.run_start(run)
    began = time.perf_counter()
    run = work_on(run.pk)
    assert run.state == "done", run.error
    return service.counts(run)["read"], time.perf_counter() - began
def peak():  # of this process alone: getrusage counts that of the one it was forked from
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
imported(sys.argv[1])
held = peak()
read, seconds = imported(sys.argv[2])
newest = Prompt.objects.latest("pk")
assert matching(Prompt.objects.all(), newest.text).filter(pk=newest.pk).exists()
print(json.dumps({"read": read, "seconds": seconds, "growth": peak() - held}))
"""


@dataclass(frozen=True, slots=True)
class Speed:
    """Pairs per second of ours and of the bare tables, and by how many MB the process grew."""

    ours: float
    bare: float
    growth_mb: float

    @property
    def ratio(self) -> float:
        return round(self.ours / self.bare, 3)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=300_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="30,000 pairs, once")
    parser.add_argument("--gigabyte", action="store_true")
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args(arguments)
    common.setup_django()
    count, times = (30_000, 1) if options.quick else (options.pairs, options.times)
    names = [options.database] if options.database else ["sqlite", *(["postgresql"] if has_postgres() else [])]
    with tempfile.TemporaryDirectory(prefix="madsafe-performance-") as folder:
        files = Files(Path(folder), count, options.gigabyte)
        found = {name: measure(name, files, 1 if options.gigabyte else times) for name in names}
    rows = [(name, f"{s.bare:,.0f}", f"{s.ours:,.0f}", s.ratio, f"{s.growth_mb:.0f}") for name, s in found.items()]
    common.print_table(("database", "bare, pairs/s", "import, pairs/s", "ratio", "memory, MB"), rows)
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    slowest = min(speed.bare for speed in found.values())
    slow = (
        f"Void: bare rows went in at {slowest:,.0f} pairs/s; the machine is too busy." if slowest < LEAST_BARE else ""
    )
    remarks = [sentence for name, speed in found.items() for sentence in complaints(name, speed)]
    return common.end(facts(found), remarks=remarks, void=slow if slowest < LEAST_BARE else "")


def has_postgres() -> bool:
    return bool(os.environ.get("TEST_POSTGRES_URL"))


def facts(found: dict[str, Speed]) -> dict[str, Any]:
    """What the last line says; of two databases the slower one, None for one that was not measured."""
    ratios = {f"{name}_ratio": found[name].ratio if name in found else None for name in ("sqlite", "postgresql")}
    return {
        **ratios,
        "baseline_rows_per_s": round(min(speed.bare for speed in found.values())),
        "rows_per_s": round(min(speed.ours for speed in found.values())),
        "rss_growth_mb": round(max(speed.growth_mb for speed in found.values())),
    }


def complaints(name: str, speed: Speed) -> list[str]:
    """What does not hold of the bounds, as sentences."""
    said = []
    if speed.ratio < LEAST_RATIO:
        said.append(f"{name}: {speed.ratio} of the bare rate, less than {LEAST_RATIO}.")
    if speed.ours < LEAST_RATE:
        said.append(f"{name}: {speed.ours:,.0f} pairs/s, less than {LEAST_RATE:,}.")
    if speed.growth_mb >= MOST_GROWTH_MB:
        said.append(f"{name}: the process grew by {speed.growth_mb:.0f} MB, {MOST_GROWTH_MB} or more.")
    return said


class Files:
    """What is imported: a short file to warm up, and the long one; `ready` is what the bare tables take of it."""

    def __init__(self, folder: Path, count: int, gigabyte: bool) -> None:
        self.folder = folder
        self.warm, self.long, self.sample = (folder / f"{name}.json" for name in ("warm", "long", "sample"))
        pairs.write(self.warm, pairs=1000, seed=1)
        pairs.write(self.long, pairs=0 if gigabyte else count, size=10**9 if gigabyte else 0)
        if gigabyte:
            pairs.write(self.sample, pairs=count)
        self.ready = bare.ready(self.sample if gigabyte else self.long)


def measure(name: str, files: Files, times: int) -> Speed:
    """Bare and real imports in turn, so that a busy moment of the machine strikes both."""
    bares: list[float] = []
    ours: list[float] = []
    growth: list[float] = []
    for number in range(times):
        with database(name) as url:
            bares.append(bare.rate(url, files.folder / f"bare-{number}", files.ready))
        with database(name) as url:
            done = import_once(files, files.folder / f"{name}-{number}", url)
        ours.append(done["read"] / done["seconds"])
        growth.append(done["growth"])
    return Speed(statistics.median(ours), statistics.median(bares), max(growth))


@contextmanager
def database(name: str) -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(postgres_database()) if name == "postgresql" else ""


def import_once(files: Files, folder: Path, url: str) -> dict[str, float]:
    """A real import in a process of its own."""
    with installed(folder, url, DJANGO_SETTINGS_MODULE="madsafe_web.settings") as made:
        assert made.manage("migrate", "-v0", seconds=300).code == 0
        done = made.start("-c", IMPORT, str(files.warm), str(files.long)).wait(1800)
        assert done.code == 0, done.err
        found: dict[str, float] = json.loads(done.out.strip().splitlines()[-1])
        return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
