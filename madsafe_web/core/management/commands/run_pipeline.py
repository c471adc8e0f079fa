"""Work through a declared chain of stages in this process: `manage.py run_pipeline examples/sample.yaml [--json]`."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import psutil
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError

from madsafe_web.core.access import can
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs import chain, service
from madsafe_web.core.runs.errors import ConfigError, StageError
from madsafe_web.core.runs.progress import progress
from madsafe_web.core.runs.retrying import run_reread, run_retry
from madsafe_web.core.runs.tasks import enqueue

EXIT_DONE, EXIT_FAILED, EXIT_CONFIG, EXIT_PAUSED = 0, 1, 2, 3
DATABASE_GONE = (
    "The database cannot be used: {error}. What was written is kept. "
    "Start it, or free disk space, then call this command again."
)
OFFLINE_MARK = "offline rules: for trying MadSafe, not for publishing results"
RESTING: dict[str, int] = {
    Run.State.DRAFT: EXIT_PAUSED,  # its deadline had passed before it started
    Run.State.PAUSED: EXIT_PAUSED,
    Run.State.OVER_BUDGET: EXIT_PAUSED,
    Run.State.NEEDS_PEOPLE: EXIT_PAUSED,
    Run.State.CANCELLED: EXIT_FAILED,
    Run.State.FAILED: EXIT_FAILED,
    Run.State.LOST: EXIT_FAILED,
    Run.State.DONE: EXIT_DONE,
}


class Command(BaseCommand):
    help = "Work through a declared chain of stages; called again, it goes on where it stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("config", type=Path, help="a YAML file such as examples/sample.yaml")
        parser.add_argument("--json", action="store_true", help="print a JSON summary as the last line")
        parser.add_argument("--as", dest="user", metavar="USER", help="who the record names; without it the system")
        parser.add_argument("--deadline", help="no call begins after it: a time, or how long from now (90m, 8h, 2d)")
        again = parser.add_mutually_exclusive_group()
        again.add_argument("--retry-failed", action="store_true", help="work on the failed rows of its runs once more")
        again.add_argument("--reread", action="store_true", help="read stored replies again, without any call, first")
        parser.add_argument("--queue", action="store_true", help="leave the work to running workers and wait for them")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        memory = MemoryWatch()
        try:
            call_command("migrate", verbosity=0)
            user = named(options["user"])
            runs = prepared(options, user)
            work = wait_through if options["queue"] else chain.work_through
            last = work(runs, Teller(self.stdout, len(runs)).say, user)
        except (ConfigError, StageError) as error:
            self.stderr.write(str(error))
            sys.exit(EXIT_CONFIG)
        except OperationalError as error:
            self.stderr.write(DATABASE_GONE.format(error=error))
            sys.exit(EXIT_FAILED)
        if last.state != Run.State.DONE:
            said = " ".join(last.error.splitlines()) or last.get_state_display()
            self.stderr.write(f"{last.stage}: {said}")
        if Run.objects.filter(pk__in=[run.pk for run in runs], offline_rules=True).exists():
            self.stdout.write(OFFLINE_MARK)
        if options["json"]:
            facts = {
                "seconds": round(time.monotonic() - started, 1),
                "peak_rss_mb": memory.peak_mb(),
                "stages": [stage_summary(run) for run in runs],
            }
            self.stdout.write(orjson.dumps(facts).decode())
        sys.exit(RESTING[last.state])


def prepared(options: dict[str, Any], user: User | None) -> list[Run]:
    """The runs of the chain; with the options for it, their failed rows are taken back.

    Raises ConfigError, StageError.
    """
    declared = chain.read(options["config"])
    if options["deadline"]:
        declared = replace(declared, deadline=options["deadline"])
    runs = chain.prepare(declared, user)
    for run in runs:
        if options["retry_failed"]:
            run_retry(run=run, user=user)
        elif options["reread"] and run.state == Run.State.DONE:
            run_reread(run=run, user=user)
        run.refresh_from_db()
    return runs


def named(name: str | None) -> User | None:
    """The person who is to stand in the record. Raises ConfigError for somebody who may not run anything."""
    if name is None:
        return None
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None or not can(user, "run"):
        raise ConfigError(f"--as {name}: there is no active person of this name whose role may start runs.")
    return user


def stage_summary(run: Run) -> dict[str, Any]:
    """What a run did, read from the database."""
    run.refresh_from_db()
    return {"stage": run.stage, "run": run.pk, "state": run.state, **service.counts(run)}


def wait_through(runs: list[Run], say: Any, user: User | None = None) -> Run:
    """Queue the runs one after another and wait for the workers of the installation to do them."""
    for run in runs:
        if run.state != Run.State.DONE:
            chain.begin(run, user)
            enqueue(run)
            run.refresh_from_db()
        while run.state not in RESTING:
            say(run)
            time.sleep(chain.WAIT_S)
            run.refresh_from_db()
        say(run)
        if run.state != Run.State.DONE:
            return run
    return runs[-1]


class Teller:
    """One line of progress for each stage, rewritten in place on a terminal and printed once a change elsewhere."""

    def __init__(self, out: Any, total: int) -> None:
        self.out, self.total, self.last = out, total, ""

    def say(self, run: Run) -> None:
        now = progress(run)
        rate = f", {now.rate:.0f}/s" if now.rate else ""
        left = f", {int(now.left.total_seconds())} s left" if now.left else ""
        rows = f"{now.read}" + (f"/{now.total}" if now.total else "")
        extra = f" ({now.kept} kept, {now.duplicate} duplicate, {now.rejected} rejected, {now.failed} failed)"
        resting = run.state in RESTING
        line = f"[{run.step}/{self.total}] {run.stage}: {run.get_state_display()}, {rows}{rate}"
        line += extra if resting else left
        if resting or (line != self.last and now.read):
            self.out.write(line)
            self.out.flush()
        self.last = line


class MemoryWatch:
    """The peak of the summed PSS of this process and its children, looked at twice a second."""

    def __init__(self) -> None:
        self.peak = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        process = psutil.Process(os.getpid())
        while True:
            self.peak = max(self.peak, sum(_pss(one) for one in [process, *process.children(recursive=True)]))
            time.sleep(0.5)

    def peak_mb(self) -> float:
        return round(self.peak / 2**20, 1)


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0  # ended between listing and looking
