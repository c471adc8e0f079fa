"""Three workers on one PostgreSQL and one Redis, as on three machines: they share a run, and no row is asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.asked_run import OWNERS, SETTINGS, STATE, assert_each_row_once, import_rows, queue, worker
from tests.helpers.counting_stub import counting_stub
from tests.helpers.installation import Installation, installed, postgres_database, wait_until
from tests.integration.test_worker import redis_url

pytestmark = pytest.mark.slow
ROWS = 3000  # six parts
WORKERS, CONNECTIONS = 3, 4
BARRED = {"connections": CONNECTIONS, "total_timeout": 1000}  # of an endpoint whose answers are held back


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Installation]:
    """An installation on the two servers."""
    with (
        postgres_database() as database,
        installed(tmp_path / "installation", database, CELERY_BROKER_URL=redis_url(), **SETTINGS) as found,
    ):
        yield found.migrated()


def test_three_workers_share_a_run_and_ask_no_row_twice(made: Installation) -> None:
    import_rows(made, ROWS)
    for number in range(WORKERS):
        worker(made, f"host-{number}")
    with counting_stub(0.0, most=0) as stub:
        queue(made, stub, **BARRED)
        wait_until(lambda: len(made.rows(OWNERS)) == WORKERS, 120, "all workers at work, with no answer yet")
        stub.open()
        wait_until(lambda: made.one(STATE) not in ("queued", "running"), 120, "the end of the run")
        counts = stub.counts()
    assert made.one(STATE) == "done", made.errors()
    assert_each_row_once(made, ROWS, counts)
    assert counts.repeated == 0


@pytest.mark.timeout(600)
def test_with_the_shipped_defaults_the_part_of_a_killed_host_goes_to_another_when_its_lease_is_over(
    made: Installation,
) -> None:
    import_rows(made, ROWS // 3)  # a part for each
    killed, _ = worker(made, "host-1"), worker(made, "host-2")
    with counting_stub(0.0, most=0) as stub:
        queue(made, stub, **BARRED)
        wait_until(lambda: len(made.rows(OWNERS)) == 2, 120, "both workers at work, with no answer yet")
        killed.kill()
        stub.open()
        wait_until(lambda: made.one(STATE) not in ("queued", "running"), 400, "the end of the run")
        counts = stub.counts()
    assert made.one(STATE) == "done", made.errors()
    assert_each_row_once(made, ROWS // 3, counts)
    assert counts.repeated <= CONNECTIONS
