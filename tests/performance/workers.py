"""Whether three workers on one PostgreSQL and one Redis do a run three times as fast as one.

`python -m tests.performance.workers [--quick]`. Each worker has 32 calls at once to a stub server that answers after
500 ms. Each of three works alone on a run of its own, then all three on one of three times as many rows, in a new
installation each time; the rate is that of the stub, from the first call to the last answer. PostgreSQL and Redis are
the script's own; where one is not installed, nothing is measured. The result is void (exit 3) where a worker alone
does not reach 0.9 of connections / 0.5 s: the machine is too busy.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.helpers.asked_run import SETTINGS, STATE, assert_each_row_once, import_rows, queue, worker
from tests.helpers.counting_stub import counting_stub
from tests.helpers.installation import installed, wait_until
from tests.helpers.servers import missing, own_postgres, own_redis, running
from tests.performance import common

WORKERS, CONNECTIONS, ANSWER_S = 3, 32, 0.5
ROWS = 2000  # of a worker alone: four parts
OFF = 0.15  # how far the rate of all together may be from the sum of theirs
PULSES = "SELECT COUNT(*) FROM core_workerpulse WHERE name LIKE 'host-%'"  # without those of the commands before
FACTS = ("alone", "together", "share")
ALONE_LEAST = 0.9 * CONNECTIONS / ANSWER_S


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the rows")
    options = parser.parse_args(arguments)
    if absent := missing():
        return common.end(dict.fromkeys(FACTS), remarks=[f"{name}: not installed" for name in absent])
    rows = ROWS // 4 if options.quick else ROWS
    with tempfile.TemporaryDirectory(prefix="madsafe-performance-") as folder:
        place = Path(folder)
        alone = [rate(place / f"alone-{number}", [f"host-{number}"], rows) for number in range(WORKERS)]
        together = rate(place / "together", [f"host-{number}" for number in range(WORKERS)], rows * WORKERS)
    share = together / sum(alone)
    lines = [*((f"worker {number} alone", f"{one:.1f}") for number, one in enumerate(alone, 1))]
    common.print_table(("", "rows/s"), [*lines, ("their sum", f"{sum(alone):.1f}"), ("together", f"{together:.1f}")])
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    values = [round(one, 1) for one in alone], round(together, 1), round(share, 3)
    remarks = [f"Together they reach {share:.3f} of the sum of their rates."] if abs(share - 1) > OFF else []
    slow = min(alone) < ALONE_LEAST
    void = f"Void: a worker alone reached {min(alone):.1f} rows/s; the machine is too busy." if slow else ""
    return common.end(dict(zip(FACTS, values, strict=True)), remarks=remarks, void=void)


def rate(folder: Path, hosts: Sequence[str], rows: int) -> float:
    """Rows a second that workers on these hosts do of one run, each row once."""
    with ExitStack() as stack:
        database, broker = stack.enter_context(own_postgres()), stack.enter_context(own_redis())
        for server in (database, broker):
            running(server)
        made = stack.enter_context(installed(folder, database.url, CELERY_BROKER_URL=broker.url, **SETTINGS)).migrated()
        import_rows(made, rows)
        for host in hosts:
            worker(made, host)
        wait_until(lambda: made.one(PULSES) == len(hosts), 120, "all workers")
        stub = stack.enter_context(counting_stub(ANSWER_S))
        queue(made, stub, CONNECTIONS)
        wait_until(lambda: made.one(STATE) not in ("queued", "running"), 600, "the end of the run")
        counts = stub.counts()
        assert made.one(STATE) == "done", made.errors()
        assert_each_row_once(made, rows, counts)
        return rows / counts.seconds


if __name__ == "__main__":
    common.setup_django()
    sys.exit(main(sys.argv[1:]))
