"""How long a run takes at a server that allows 200 requests a second and refuses the rest (429), by the ideal time.

`python -m tests.performance.storm [--database sqlite|postgresql]`. The server does not say its limit but in its
refusals, which ask for a pause of a second; 2,000 rows are asked by 64 calls at once, in the real engine. The ideal is
200 rows a second from the first to the last. A second run knows the limit (`rpm`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.performance import common
from tests.performance.engine import Place, Speed, stub

RATE, ROWS, WIDTH = 200, 2000, 64
MOST_TIMES = 1.2  # of the ideal time
KNOWN_RPM = 60 * RATE * 0.95  # a little below, as the server counts by its own clock


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    options = parser.parse_args(arguments)
    common.setup_django()
    with tempfile.TemporaryDirectory(prefix="madsafe-performance-") as folder, stub(RATE) as url:
        place = Place(Path(folder), url, 1)
        unknown = place.ours(options.database, WIDTH, ROWS)
        known = place.ours(options.database, WIDTH, ROWS, rpm=KNOWN_RPM)
    runs = {"unknown": unknown, "known": known}
    common.print_table(
        ("limit", "seconds", "times the ideal", "failed"),
        [(name, f"{ROWS / run.rate:.1f}", times(run), run.failed) for name, run in runs.items()],
    )
    remarks = [f"{name}: {times(run)} times the ideal." for name, run in runs.items() if times(run) > MOST_TIMES]
    failed = sum(run.failed for run in runs.values())
    remarks += [f"{failed} rows failed."] if failed else []
    return common.end({**{f"times_{n}": times(run) for n, run in runs.items()}, "failed": failed}, remarks=remarks)


def times(run: Speed) -> float:
    """The time of the run by the ideal one."""
    return round(RATE / run.rate, 3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
