"""How much of what a bare client reaches is left by the engine, which stores every row.

`python -m tests.performance.engine [--quick] [--database sqlite|postgresql]`. A stub server in a process of its own
answers after 50 ms. Beside each run of the real engine (its rows leased, rendered, asked, read and stored, in a new
installation) a bare client of aiohttp asks for as many rows; of three pairs the best ratio counts. The result is void
(exit 3) where the bare client itself does not reach 0.9 of connections / 0.05 s at 64, or 0.7 at 256: the machine is
too busy. Another run of 160,000 rows tells the memory. Beside it stand AsyncOpenAI with a semaphore, and distilabel and
curator where `--distilabel` and `--curator` name the interpreter of an environment that has them (see `rivals.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.installation import installed, postgres_database
from tests.performance import common

PART = ("-m", "tests.performance.engine_parts")
LATENCY_S = 0.05
BARE_LEAST = {64: 0.9, 256: 0.7}  # of connections / latency
LEAST_AT = tuple(BARE_LEAST)
LEAST = {("sqlite", 64): 0.90, ("sqlite", 256): 0.85, ("postgresql", 64): 0.90, ("postgresql", 256): 0.80}
MOST_RSS_MB = 120
MANY_ROWS, RIVAL_ROWS = 160_000, 3000
RIVALS = ("distilabel", "curator")


@dataclass(frozen=True, slots=True)
class Speed:
    """Rows a second, CPU of the client in ms a row, memory above what it held before, rows that failed."""

    rate: float
    cpu_ms: float
    rss_mb: float
    failed: int


@dataclass(frozen=True, slots=True)
class Pair:
    bare: Speed
    ours: Speed

    @property
    def ratio(self) -> float:
        return round(self.ours.rate / self.bare.rate, 3)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pair of a tenth of the rows, and nothing else")
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    for name in RIVALS:
        parser.add_argument(f"--{name}", default="", metavar="PYTHON")
    options = parser.parse_args(arguments)
    common.setup_django()
    names = [options.database] if options.database else ["sqlite", *(["postgresql"] if has_postgres() else [])]
    with tempfile.TemporaryDirectory(prefix="madsafe-performance-") as folder, stub() as url:
        place = Place(Path(folder), url, 10 if options.quick else 1)
        times = 1 if options.quick else 3
        best = {(name, width): place.best(name, width, times) for name in names for width in LEAST_AT}
        many = [] if options.quick else [place.ours(name, 256, MANY_ROWS) for name in names]
        rivals = {} if options.quick else beside(place, {name: getattr(options, name) for name in RIVALS})
    show(best, rivals)
    remarks = [sentence for place_of, pair in best.items() for sentence in complaints(*place_of, pair)]
    most = max((one.rss_mb for one in many), default=0)
    remarks += [f"{most:.0f} MB above Django, {MOST_RSS_MB} or more."] if most >= MOST_RSS_MB else []
    return common.end(facts(best, many), remarks=remarks, void=too_busy(best))


def beside(place: Place, pythons: dict[str, str]) -> dict[tuple[str, int], Speed | None]:
    """What others reach, by name and connections; None where they are not installed."""
    found: dict[tuple[str, int], Speed | None] = {}
    for width in LEAST_AT:
        found["AsyncOpenAI, stores nothing", width] = place.client("openai", width, RIVAL_ROWS)
        for name, python in pythons.items():
            found[name, width] = place.rival(python, name, width, RIVAL_ROWS) if python else None
    return found


def has_postgres() -> bool:
    return bool(os.environ.get("TEST_POSTGRES_URL"))


@contextmanager
def stub(rate: int = 0) -> Iterator[str]:
    """The base URL of a stub server that lives as long as the block; `rate` is its limit of requests a second."""
    command = [sys.executable, *PART, "stub", str(LATENCY_S * 1000), str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        finally:
            server.kill()


class Place:
    """Where the measuring is done, and how many rows of the usual number are left out."""

    def __init__(self, folder: Path, url: str, part: int) -> None:
        self.folder, self.url, self.part, self._made = folder, url, part, 0

    def best(self, database: str, width: int, times: int) -> Pair:
        """Of so many pairs, one after the other, that with the best ratio."""
        count = width * 160 // self.part
        made = [Pair(self.client("bare", width, count), self.ours(database, width, count)) for _ in range(times)]
        return max(made, key=lambda pair: pair.ratio)

    def client(self, part: str, width: int, count: int) -> Speed:
        done = subprocess.run(
            [sys.executable, *PART, part, self.url, str(width), str(count)], capture_output=True, text=True, check=True
        )
        return speed(done.stdout)

    def rival(self, python: str, name: str, width: int, count: int) -> Speed:
        """Another library, run by an interpreter that has it; what it says goes nowhere."""
        script = str(Path(__file__).with_name("rivals.py"))
        command = [python, script, name, self.url, str(width), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=self.folder)
        return speed(done.stdout)

    def ours(self, database: str, width: int, count: int, **options: float) -> Speed:
        """A run of the real engine in a new installation, with these options of its endpoint."""
        self._made += 1
        port = self.url.split(":")[2].split("/")[0]
        env = {"MADSAFE_LLM_ALLOWED_HOSTS": f"127.0.0.1:{port}", "DJANGO_SETTINGS_MODULE": "madsafe_web.settings"}
        with ExitStack() as stack:
            url = stack.enter_context(postgres_database()) if database == "postgresql" else ""
            made = stack.enter_context(installed(self.folder / str(self._made), url, **env))
            assert made.manage("migrate", "-v0", seconds=300).code == 0
            asked = (self.url, str(width), str(count), json.dumps(options))
            done = made.start(*PART, "ours", *asked).wait(600)
            assert done.code == 0, done.err
            return speed(done.out)


def speed(out: str) -> Speed:
    return Speed(**json.loads(out.strip().splitlines()[-1]))


def show(best: dict[tuple[str, int], Pair], rivals: dict[tuple[str, int], Speed | None]) -> None:
    rows: list[tuple[object, ...]] = []
    for (name, width), pair in best.items():
        rows.append((f"bare beside {name}", width, f"{pair.bare.rate:,.0f}", "1", f"{pair.bare.cpu_ms:.2f}"))
        rows.append((f"MadSafe on {name}", width, f"{pair.ours.rate:,.0f}", pair.ratio, f"{pair.ours.cpu_ms:.2f}"))
    for (name, width), rival in rivals.items():
        if rival is None:
            rows.append((name, width, "not installed", "", ""))
            continue
        floor = max(pair.bare.rate for (_, at), pair in best.items() if at == width)
        ratio = round(rival.rate / floor, 3)
        rows.append((name, width, f"{rival.rate:,.0f}", ratio, f"{rival.cpu_ms:.2f}"))
    common.print_table(("client", "connections", "rows/s", "ratio", "CPU, ms/row"), rows)
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def too_busy(best: dict[tuple[str, int], Pair]) -> str:
    """A sentence where a bare client was too slow for its ratio to say anything, else nothing."""
    for (_, width), pair in best.items():
        if pair.bare.rate < BARE_LEAST[width] * width / LATENCY_S:
            return f"Void: the bare client reached {pair.bare.rate:,.0f} rows/s at {width}; the machine is too busy."
    return ""


def complaints(name: str, width: int, pair: Pair) -> list[str]:
    """What does not hold of the bounds, as sentences."""
    said = []
    if pair.ratio < LEAST[name, width]:
        said.append(f"{name} at {width}: {pair.ratio} of the bare rate, less than {LEAST[name, width]}.")
    if pair.ours.failed:
        said.append(f"{name} at {width}: {pair.ours.failed} rows failed.")
    return said


def facts(best: dict[tuple[str, int], Pair], many: Sequence[Speed]) -> dict[str, Any]:
    """What the last line says; of two databases the slower one."""
    ours = [pair.ours for pair in best.values()]
    return {
        **{f"ratio_{width}": min(pair.ratio for (_, at), pair in best.items() if at == width) for width in LEAST_AT},
        "cpu_ms_per_row": round(max(one.cpu_ms for one in ours), 3),
        "rss_above_django_mb": round(max(one.rss_mb for one in (*ours, *many))),
        "failed": sum(one.failed for one in (*ours, *many)),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
