"""SIGKILL to workers, web, broker and database while a run asks a slow model: each row is done once, and soon.

`make chaos` plays three seeds on both set-ups, with nothing else on the machine, and holds them to their times too
(CHAOS_SEEDS); the other test runs play one seed, and only what a busy machine cannot change is asserted.
"""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from madsafe_web.core.management.commands.serve import web_command
from madsafe_web.core.runs.rows import GROUP_WAIT_S
from tests.helpers.asked_run import SETTINGS, STATE, assert_each_row_once, import_rows, queue, worker
from tests.helpers.counting_stub import Stub, counting_stub
from tests.helpers.installation import Installation, free_port, installed
from tests.helpers.servers import kill_tree, own_postgres, own_redis, running

pytestmark = pytest.mark.slow
ALONE = "CHAOS_SEEDS" in os.environ  # nothing else runs on this machine
SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "1").split(",")]
ROWS, CONNECTIONS, ANSWER_S = 5000, 32, 0.4  # connections of all workers together
RATE = CONNECTIONS / ANSWER_S
UNDISTURBED_S = ROWS / RATE  # 62 s: longer than all pauses between the kills
KILLS = {"worker": 10, "web": 4}  # 14 in all, as docs/operations.md says
KILLS_OF_SERVERS = {"worker": 7, "web": 2, "redis": 3, "postgres": 3}
DOWN_S = {"redis": 1.0, "postgres": 1.0}
LONGEST_S = 4 * UNDISTURBED_S if ALONE else 1200.0
UNWRITTEN_S = GROUP_WAIT_S if ALONE else 1.0  # a busy machine writes late
ENV = {
    **SETTINGS,
    "MADSAFE_RUN_LEASE_S": "5",
    "MADSAFE_RUN_HEARTBEAT_S": "1",
    "MADSAFE_RUN_ATTEMPTS": "100",  # in three seconds a worker often gets no further than to its first rows
}


@dataclass(slots=True)
class Kept:
    """A process that is started again when it is found dead, as systemd does."""

    kind: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] = field(init=False)
    back_at: float = 0.0

    def kill(self) -> None:
        """SIGKILL: to a server with all its processes, to ours alone."""
        if self.kind in DOWN_S:
            kill_tree(psutil.Process(self.process.pid))
        else:
            self.process.kill()
        self.process.wait(60)
        self.back_at = time.monotonic() + DOWN_S.get(self.kind, 0.0)

    def look_after(self) -> None:
        if self.process.poll() is not None and time.monotonic() >= self.back_at:
            self.process = self.start()


@dataclass(frozen=True, slots=True)
class Place:
    """An installation with everything that runs for it."""

    installation: Installation
    kept: list[Kept]
    site: str
    kills: dict[str, int]

    def state(self) -> str:
        """The state of the run; "" while the database is away."""
        import psycopg

        with suppress(psycopg.OperationalError, sqlite3.OperationalError):
            return str(self.installation.one(STATE))
        return ""

    def keep(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Start again what is found dead, for so many seconds or until something holds; whether it did."""
        ends, pause = time.monotonic() + seconds, Event()
        while time.monotonic() < ends:
            for one in self.kept:
                one.look_after()
            if until():
                return True
            pause.wait(0.1)
        return False

    def kill(self, kind: str, chance: random.Random) -> None:
        """SIGKILL to one of a kind, which is running again by then."""
        one = chance.choice([one for one in self.kept if one.kind == kind])
        assert self.keep(60, lambda: one.process.poll() is None)
        one.kill()

    def healthy(self) -> bool:
        """Whether the web server answers, the worker is heard, and broker and database are there."""
        with suppress(OSError), urllib.request.urlopen(f"{self.site}/healthz", timeout=10) as answer:
            return b'"status": "ok"' in answer.read()
        return False


@pytest.fixture(params=["sqlite", "servers"])
def place(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Iterator[Place]:
    """SQLite with messages in a folder and one worker; PostgreSQL and Redis with two, each on a host of its own."""
    site = f"http://127.0.0.1:{free_port()}"
    settings.SITE = urlsplit(site)
    with ExitStack() as stack:
        servers = []
        env, kills = {**ENV, "MADSAFE_URL": site}, KILLS
        if request.param == "servers":
            database, broker = stack.enter_context(own_postgres()), stack.enter_context(own_redis())
            for kind, server in (("postgres", database), ("redis", broker)):
                servers.append(Kept(kind, server.start))
                servers[-1].process = running(server)
            env |= {"DATABASE_URL": database.url, "CELERY_BROKER_URL": broker.url}
            kills = KILLS_OF_SERVERS
        made = stack.enter_context(installed(tmp_path / "installation", env.pop("DATABASE_URL", ""), **env)).migrated()
        ours = [Kept("web", lambda: made.start(*web_command()[1:]).process)]
        ours += [Kept("worker", lambda: worker(made).process)]
        if servers:
            ours.append(Kept("worker", lambda: worker(made, "elsewhere").process))
        yield Place(made, [*servers, *ours], site, kills)


@pytest.fixture
def stub() -> Iterator[Stub]:
    with counting_stub(ANSWER_S) as made:
        yield made


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_survives_the_kills_of_everything_it_stands_on(place: Place, stub: Stub, seed: int) -> None:
    begin(place, stub)
    began = time.monotonic()
    kills = disturb(place, random.Random(seed))
    place.keep(LONGEST_S - (time.monotonic() - began), lambda: place.state() not in ("", "queued", "running"))
    seconds = time.monotonic() - began
    counts = stub.counts()
    print(f"{kills} kills, {seconds:.0f} s of {UNDISTURBED_S:.0f} s undisturbed, {counts.repeated} calls repeated")
    assert place.state() == "done", place.installation.errors()
    assert_each_row_once(place.installation, ROWS, counts)
    assert counts.repeated <= kills * (CONNECTIONS + RATE * UNWRITTEN_S) * 1.05
    assert place.keep(240, place.healthy)


def begin(place: Place, stub: Stub) -> None:
    """Import the rows, start everything, and queue the run."""
    import_rows(place.installation, ROWS)
    for one in place.kept:
        if one.kind not in DOWN_S:
            one.process = one.start()
    queue(place.installation, stub, CONNECTIONS // sum(one.kind == "worker" for one in place.kept))


def disturb(place: Place, chance: random.Random) -> int:
    """Kill in a random order, one to four seconds apart; gives the number of kills."""
    order = [kind for kind, times in place.kills.items() for _ in range(times)]
    chance.shuffle(order)
    for kind in order:
        place.keep(chance.uniform(1, 4))
        place.kill(kind, chance)
    return len(order)
