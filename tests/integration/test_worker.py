"""Chains left to Celery workers: over each broker and each database, with a worker killed and with messages lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from madsafe_web.core.management.commands.serve import worker_command
from tests.helpers.asked_run import ENDED, SETTINGS, STATE, assert_each_row_once, import_rows, queue
from tests.helpers.counting_stub import counting_stub
from tests.helpers.installation import (
    Installation,
    Running,
    import_of,
    installed,
    postgres_database,
    prompt_file,
    wait_until,
)

pytestmark = pytest.mark.slow
ROWS = 4000
LEASE = {"MADSAFE_RUN_LEASE_S": "4", "MADSAFE_RUN_HEARTBEAT_S": "1"}


@dataclass(frozen=True, slots=True)
class Place:
    """An installation with its broker, and how to lose the messages that wait there; `lose` gives their number."""

    installation: Installation
    lose: Callable[[], int]

    def worker(self) -> Running:
        return self.installation.start(*worker_command()[1:])

    def command(self) -> Running:
        return self.installation.start("manage.py", "run_pipeline", chain(self.installation), "--queue", "--json")


def chain(installation: Installation) -> str:
    """Import, some seconds of `label`, and a stage after it."""
    return installation.chain([import_of(prompt_file(installation.folder, ROWS), name="prompts"), "label", "suggest"])


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What the chain comes to in one undisturbed command."""
    with installed(tmp_path_factory.mktemp("expected") / "installation") as made:
        made.migrated()
        done = made.manage("run_pipeline", chain(made), "--json")
        assert done.code == 0, done.err
        return done.counts


@pytest.fixture(params=["sqlite", "redis", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """SQLite with messages in a folder, SQLite with Redis, PostgreSQL with messages in a folder."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres_database()) if request.param == "postgresql" else ""
        broker = redis_url() if request.param == "redis" else ""
        env = {**LEASE, **SETTINGS, **({"CELERY_BROKER_URL": broker} if broker else {})}
        made = stack.enter_context(installed(tmp_path / "installation", database, **env)).migrated()
        yield Place(made, (lambda: lose_in_redis(broker)) if broker else (lambda: lose_files(made)))


def redis_url() -> str:
    """A database of the Redis server of the tests, another one for each test process."""
    url = os.environ.get("TEST_REDIS_URL")
    if not url:
        pytest.skip("TEST_REDIS_URL is not set")
    return urlsplit(url)._replace(path=f"/{1 + os.getpid() % 15}").geturl()


def lose_in_redis(url: str) -> int:
    import redis

    with redis.Redis.from_url(url) as server:
        waiting = int(server.llen("celery"))
        server.delete("celery")
    return waiting


def lose_files(made: Installation) -> int:
    waiting = list((made.var / "broker" / "queue").glob("*.msg"))
    for path in waiting:
        path.unlink()
    return len(waiting)


def test_a_worker_does_a_queued_chain(place: Place, expected: list[tuple[Any, ...]]) -> None:
    place.worker()
    done = place.command().wait(200)
    assert done.code == 0, done.err
    assert done.counts == expected


def test_a_worker_makes_itself_heard(place: Place) -> None:
    place.worker()
    wait_until(lambda: place.installation.one("SELECT COUNT(*) FROM core_workerpulse"), 30, "a sign of the worker")


def test_a_second_worker_goes_on_where_the_first_was_killed(place: Place) -> None:
    rows, made = 1200, place.installation
    import_rows(made, rows)
    with counting_stub(0.0, most=rows // 2) as stub:
        first = place.worker()
        queue(made, stub, connections=8, total_timeout=1000)
        wait_until(lambda: made.one(ENDED) == rows // 2, 60, "the rows that are answered")
        first.kill()
        stub.open()
        place.worker()
        wait_until(lambda: made.one(STATE) not in ("queued", "running"), 60, "the end of the run")
        counts = stub.counts()
    assert made.one(STATE) == "done", made.errors()
    assert_each_row_once(made, rows, counts)
    assert counts.repeated <= 8


def test_a_lost_message_is_rung_again(place: Place, expected: list[tuple[Any, ...]]) -> None:
    command = place.command()
    wait_until(place.lose, 30, "a message to lose")
    place.worker()
    done = command.wait(200)
    assert done.code == 0, done.err
    assert done.counts == expected


def test_a_worker_starts_where_a_kill_left_half_a_file_of_its_broker(tmp_path: Path) -> None:
    with installed(tmp_path / "installation") as made:
        broker = made.migrated().var / "broker"
        for path in (broker / "control" / "celery.exchange", broker / "queue" / "1_broken.celery.msg"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        worker = made.start(*worker_command()[1:])
        wait_until(lambda: not list((broker / "queue").glob("1_*")), 60, "the broken message to be read")
        assert worker.process.poll() is None, worker.err
        done = made.start("manage.py", "run_pipeline", chain(made), "--queue", "--json").wait(200)
        assert done.code == 0, done.err
        assert worker.process.poll() is None, worker.err
