"""How long the web server takes from its command to the first login page, and how much memory it holds idle.

`python -m tests.performance.start [--quick] [--database sqlite|postgresql]`. Time: median of 3 starts, of 1 with
--quick. Memory: summed PSS of all web processes 5 s after the page. A bare Django project under the same command is
measured beside it; where even that is slow, the machine is too busy and the result void (exit 3).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.helpers.installation import ROOT, Installation, free_port, installed, postgres_database
from tests.performance import common

MOST_START_S, MOST_IDLE_MB = 5.0, 150.0
MOST_BASELINE_S = 5.0
IDLE_S = 5.0
GIVE_UP_S = 60.0
HEAVY = ("/torch/", "/sklearn/", "/transformers/", "/scipy/")
BARE = "tests.performance.baseline_django"


@dataclass(frozen=True, slots=True)
class Started:
    """One start: seconds to the first page, MB of PSS, and libraries that should not be loaded."""

    seconds: float
    idle_mb: float
    heavy: tuple[str, ...]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args(arguments)
    common.setup_django()
    times = 1 if options.quick else 3
    names = [options.database] if options.database else ["sqlite", *(["postgresql"] if has_postgres() else [])]
    found = {name: measure(name, times) for name in names}
    baseline = measure("", times)
    rows = [(name, f"{one.seconds:.2f}", f"{one.idle_mb:.0f}") for name, one in (*found.items(), ("bare", baseline))]
    common.print_table(("web server", "start, s", "idle, MB"), rows)
    print(f"median of {times} start(s); void where the bare project takes over {MOST_BASELINE_S:.0f} s")
    facts = {name: {"cold_start_s": one.seconds, "idle_rss_mb": one.idle_mb} for name, one in found.items()}
    worst = {key: max(one[key] for one in facts.values()) for key in ("cold_start_s", "idle_rss_mb")}
    remarks = [sentence for name, one in found.items() for sentence in complaints(name, one)]
    slow = f"Void: a bare Django project took {baseline.seconds:.1f} s to start; the machine is too busy."
    bare = {"cold_start_s": baseline.seconds, "idle_rss_mb": baseline.idle_mb}
    return common.end(
        {**worst, "database": facts, "baseline": bare},
        remarks=remarks,
        void=slow if baseline.seconds > MOST_BASELINE_S else "",
    )


def has_postgres() -> bool:
    return bool(os.environ.get("TEST_POSTGRES_URL"))


def complaints(name: str, one: Started) -> list[str]:
    """What does not hold of the bounds, as sentences."""
    said = [f"{name}: the web processes have loaded {library}." for library in one.heavy]
    if one.seconds > MOST_START_S:
        said.append(f"{name}: {one.seconds:.2f} s to the first page, more than {MOST_START_S:.0f} s.")
    if one.idle_mb > MOST_IDLE_MB:
        said.append(f"{name}: {one.idle_mb:.0f} MB when idle, more than {MOST_IDLE_MB:.0f} MB.")
    return said


def measure(database: str, times: int) -> Started:
    """The medians of some starts with that database; of the bare project without one."""
    with tempfile.TemporaryDirectory(prefix="madsafe-performance-") as folder, ExitStack() as stack:
        url = stack.enter_context(postgres_database()) if database == "postgresql" else ""
        made = stack.enter_context(installed(Path(folder, "installation"), url))
        if database:
            assert made.manage("migrate", "-v0").code == 0
        starts = [start_once(made, bare=not database) for _ in range(times)]
    return Started(
        round(statistics.median(one.seconds for one in starts), 2),
        round(statistics.median(one.idle_mb for one in starts), 1),
        tuple(sorted({library for one in starts for library in one.heavy})),
    )


def start_once(made: Installation, *, bare: bool) -> Started:
    """Start the web server, wait for its page, then look at its processes."""
    from madsafe_web.core.management.commands.serve import web_command

    port = free_port()
    command = [argument.replace("madsafe_web.wsgi", BARE) if bare else argument for argument in web_command()[1:]]
    command[command.index("--bind") + 1] = f"127.0.0.1:{port}"
    began = time.perf_counter()
    running = made.start(*command, MADSAFE_URL=f"http://127.0.0.1:{port}", PYTHONPATH=str(ROOT))
    try:
        seconds = first_page(f"http://127.0.0.1:{port}/accounts/login/", began)
        threading.Event().wait(IDLE_S)
        master = psutil.Process(running.process.pid)
        processes = [master, *master.children(recursive=True)]
        idle = sum(process.memory_full_info().pss for process in processes) / 2**20
        return Started(seconds, idle, tuple(library for library in HEAVY if loaded(processes, library)))
    finally:
        running.process.terminate()
        running.process.wait(30)


def first_page(url: str, began: float) -> float:
    """Seconds from `began` until the page answers 200. Raises TimeoutError after a minute."""
    pause = threading.Event()
    while time.perf_counter() - began < GIVE_UP_S:
        try:
            with urllib.request.urlopen(url, timeout=GIVE_UP_S) as answer:
                if answer.status == 200:
                    return time.perf_counter() - began
        except OSError:
            pause.wait(0.01)
    raise TimeoutError(f"{url} did not answer within {GIVE_UP_S:.0f} s")


def loaded(processes: Sequence[psutil.Process], library: str) -> bool:
    """Whether one of the processes has mapped a file of that library."""
    return any(library in Path(f"/proc/{process.pid}/maps").read_text() for process in processes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
