"""SIGKILL to workers, web, broker and database while a run asks a slow model: each row is done once, and soon.

`make chaos` plays three seeds on both set-ups, with nothing else on the machine, and holds them to their times too
(CHAOS_SEEDS); the other test runs play one seed, and only what a busy machine cannot change is asserted.
"""

from __future__ import annotations

import os
import random
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

from madsafe_web.core.management.commands.serve import web_command, worker_command
from madsafe_web.core.runs.rows import GROUP_WAIT_S
from tests.helpers.counting_stub import Counts, Stub, counting_stub, score
from tests.helpers.installation import Installation, free_port, import_of, installed, prompt_file
from tests.helpers.servers import kill_tree, own_postgres, own_redis, running

pytestmark = pytest.mark.slow
ALONE = "CHAOS_SEEDS" in os.environ  # nothing else runs on this machine
SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "1").split(",")]
ROWS, CONNECTIONS, ANSWER_S = 5000, 32, 0.4  # connections of all workers together
RATE = CONNECTIONS / ANSWER_S
UNDISTURBED_S = ROWS / RATE
KILLS = {"worker": 10, "web": 4}
KILLS_OF_SERVERS = {"worker": 7, "web": 2, "redis": 3, "postgres": 3}
DOWN_S = {"redis": 1.0, "postgres": 1.0}
LONGEST_S = 4 * UNDISTURBED_S if ALONE else 1200.0
UNWRITTEN_S = GROUP_WAIT_S if ALONE else 1.0  # a busy machine writes late
ENV = {
    "DJANGO_SETTINGS_MODULE": "madsafe_web.settings",
    "MADSAFE_RUN_LEASE_S": "5",
    "MADSAFE_RUN_HEARTBEAT_S": "1",
    "MADSAFE_RUN_ATTEMPTS": "100",  # in three seconds a worker often gets no further than to its first rows
}
QUEUE = """
import sys
import django
django.setup()
from madsafe_web.core.llm.endpoints import endpoint_declare
from madsafe_web.core.runs import service
from madsafe_web.core.runs.tasks import enqueue
url, connections = sys.argv[1], int(sys.argv[2])
server = {"backend": "openai_compatible", "base_url": url, "model": "m", "concurrency": connections}
endpoint_declare("stub", server)
run = service.run_create(stage_name="instruction_safety", values={"endpoint": "stub"})
assert service.run_start(run)
enqueue(run)
"""
OF_THE_RUN = "FROM core_run WHERE stage = 'instruction_safety'"
USED = (
    "SELECT SUM(calls), SUM(prompt_tokens), SUM(completion_tokens) FROM core_chunk "
    f"WHERE run_id = (SELECT id {OF_THE_RUN})"
)
COUNTED = f"SELECT SUM(read), SUM(kept), SUM(failed) FROM core_chunk WHERE run_id = (SELECT id {OF_THE_RUN})"
ROWS_ENDED = f"SELECT outcome, COUNT(*), COUNT(DISTINCT subject) FROM core_runrow WHERE run_id = (SELECT id {OF_THE_RUN}) GROUP BY outcome"  # noqa: E501
SCORES = "SELECT p.text, s.value FROM pipeline_score s JOIN annotation_prompt p ON p.id = s.prompt_id"


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
    workers: int
    kills: dict[str, int]

    def state(self) -> str:
        """The state of the run; "" while the database is away."""
        import psycopg

        with suppress(psycopg.OperationalError):
            return str(self.installation.one(f"SELECT state {OF_THE_RUN}"))
        return ""

    def keep(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Start again what is found dead, for so many seconds or until something holds."""
        ends, pause = time.monotonic() + seconds, Event()
        while time.monotonic() < ends and not until():
            for one in self.kept:
                one.look_after()
            pause.wait(0.1)

    def kill(self, kind: str, chance: random.Random) -> None:
        chance.choice([one for one in self.kept if one.kind == kind]).kill()

    def healthy(self) -> bool:
        """Whether the web server answers, the worker is heard, and broker and database are there."""
        with suppress(OSError), urllib.request.urlopen(f"{self.site}/healthz", timeout=10) as answer:
            return b'"status": "ok"' in answer.read()
        return False


@pytest.fixture(params=["sqlite", "servers"])
def place(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Iterator[Place]:
    """SQLite with messages in a folder and one worker; PostgreSQL and Redis with two."""
    site = f"http://127.0.0.1:{free_port()}"
    settings.SITE = urlsplit(site)
    with ExitStack() as stack:
        servers = []
        env, workers, kills = {**ENV, "MADSAFE_URL": site}, 1, KILLS
        if request.param == "servers":
            database, broker = stack.enter_context(own_postgres()), stack.enter_context(own_redis())
            for kind, server in (("postgres", database), ("redis", broker)):
                servers.append(Kept(kind, server.start))
                servers[-1].process = running(server)
            env |= {"DATABASE_URL": database.url, "CELERY_BROKER_URL": broker.url}
            workers, kills = 2, KILLS_OF_SERVERS
        made = stack.enter_context(installed(tmp_path / "installation", env.pop("DATABASE_URL", ""), **env)).migrated()
        ours = [Kept("web", lambda: made.start(*web_command()[1:]).process)]
        ours += [Kept("worker", lambda: made.start(*worker_command()[1:]).process) for _ in range(workers)]
        yield Place(made, [*servers, *ours], site, workers, kills)


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
    assert_each_row_once(place.installation, counts)
    assert UNDISTURBED_S >= 60
    assert counts.repeated <= kills * (CONNECTIONS + RATE * UNWRITTEN_S) * 1.05
    place.keep(120, place.healthy)
    assert place.healthy()


def begin(place: Place, stub: Stub) -> None:
    """Import the rows, start everything, and queue the run."""
    made = place.installation
    chain = made.chain([import_of(prompt_file(made.folder, ROWS), name="prompts")])
    done = made.manage("run_pipeline", chain, "--json", seconds=300)
    assert done.code == 0, done.err
    for one in place.kept:
        if one.kind not in DOWN_S:
            one.process = one.start()
    queued = made.start("-c", QUEUE, stub.url, str(CONNECTIONS // place.workers)).wait(120)
    assert queued.code == 0, queued.err


def disturb(place: Place, chance: random.Random) -> int:
    """Kill in a random order, one to four seconds apart, until every kill is done or the run is; gives their number."""
    order = [kind for kind, times in place.kills.items() for _ in range(times)]
    chance.shuffle(order)
    for kind in order:
        place.keep(chance.uniform(1, 4))
        place.kill(kind, chance)
    assert len(order) >= 14
    return len(order)


def assert_each_row_once(made: Installation, counts: Counts) -> None:
    """One result for each row, the one that the stub gave; usage as the stub counts it, without what was repeated."""
    assert made.rows(ROWS_ENDED) == [("done", ROWS, ROWS)]
    assert [tuple(map(int, row)) for row in made.rows(COUNTED)] == [(ROWS, ROWS, 0)]
    assert made.one("SELECT COUNT(*) FROM core_generation") == ROWS
    given = sorted((int(text.partition("号")[0].removeprefix("第")), value) for text, value in made.rows(SCORES))
    assert given == [(row, score(row)) for row in range(ROWS)]
    assert [tuple(map(int, row)) for row in made.rows(USED)] == [counts.used]
