"""Works through a chain once for every commit that it makes, killed right before or right after that one.

`python -m tests.chaos.crashpoints CHAIN before|after` in the environment of a migrated installation. Each life is a
fork of this process, which has everything imported and no connection yet: a fresh interpreter would take ten times as
long. Prints one JSON object: how many commits there were, and what differed from an undisturbed chain where one that
was killed was called again, by the number of the commit.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402  # Django is set up first
from django.db import connection  # noqa: E402
from django.db.backends.base.base import BaseDatabaseWrapper  # noqa: E402

from madsafe_web.core.models import Run  # noqa: E402
from madsafe_web.core.runs import chain  # noqa: E402

WRITES = ("INSERT", "UPDATE", "DELETE", "COPY")
ID = re.compile(r"\d+")  # in the name of a file; PostgreSQL gives no id twice, also where its row was rolled back
SURVIVED = 0
OF_RUNS = "JOIN core_run r ON r.id = x.run_id"
OF_PROMPTS = "JOIN annotation_prompt p ON p.id = x.prompt_id"
LEFT = {
    "runs": "SELECT step, stage, state, error FROM core_run",
    "counts": "SELECT r.step, SUM(x.read), SUM(x.kept), SUM(x.duplicate), SUM(x.rejected), SUM(x.failed) "
    f"FROM core_chunk x {OF_RUNS} GROUP BY r.step",
    "rows": f"SELECT r.step, x.outcome, COUNT(*), COUNT(DISTINCT x.subject) FROM core_runrow x {OF_RUNS} "
    "GROUP BY r.step, x.outcome",
    "replies": f"SELECT x.call_key, r.step, x.text FROM core_generation x {OF_RUNS}",
    "prompts": "SELECT text, origin, state FROM annotation_prompt",
    "responses": f"SELECT p.text, x.text, x.origin FROM annotation_response x {OF_PROMPTS}",
    "labels": "SELECT p.text, l.name FROM annotation_promptintent x JOIN annotation_intentlabel l ON l.id = x.label_id "
    f"{OF_PROMPTS}",
    "maps": "SELECT version, state, sha256 FROM annotation_mergemap",
    "scores": f"SELECT p.text, x.kind, x.value FROM pipeline_score x {OF_PROMPTS}",
    "samples": f"SELECT p.text, x.kind, x.category FROM pipeline_alignmentsample x {OF_PROMPTS}",
    "sets": "SELECT name, state, sha256 FROM pipeline_alignmentset",
}


class Deadly:
    """Counts the commits of the first thread, and ends the process by SIGKILL at one of them."""

    def __init__(self, at: int, side: str) -> None:
        self.at, self.side, self.seen = at, side, 0

    def watch(self) -> None:
        """From now on: the end of each transaction, and each write outside of one."""
        commit = BaseDatabaseWrapper.commit
        BaseDatabaseWrapper.commit = lambda made: self.around(lambda: commit(made))
        connection.execute_wrappers.append(self.statement)

    def statement(self, execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if connection.in_atomic_block or not sql.lstrip().upper().startswith(WRITES):
            return execute(sql, *arguments)
        return self.around(lambda: execute(sql, *arguments))

    def around(self, commit: Callable[[], Any]) -> Any:
        """Make the commit, or die before or after it."""
        if threading.current_thread() is not threading.main_thread():
            return commit()
        self.seen += 1
        deadly = self.seen == self.at
        if deadly and self.side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        made = commit()
        if deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return made


class Place:
    """A var folder and a database of its own for one chain, made from those of the installation."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.var = Path(settings.VAR_DIR, name)

    def life(self, work: Callable[[], object]) -> int:
        """Do the work in a fork, bound to this place. Returns its exit status, negative the signal that ended it."""
        pid = os.fork()
        if pid:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        try:
            self._enter()
            work()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(SURVIVED)

    def _enter(self) -> None:
        if connection.vendor == "postgresql":
            template = connection.settings_dict["NAME"]
            connection.settings_dict["NAME"] = f"{template}_{self.name}"
        else:
            connection.settings_dict["NAME"] = str(self.var / "madsafe.sqlite3")
        settings.VAR_DIR = self.var

    def make(self) -> None:
        self.var.mkdir()
        home = self.var.parent
        (self.var / "models").symlink_to(home / "models")
        if connection.vendor == "postgresql":
            self._server("CREATE DATABASE {0}_{1} TEMPLATE {0}")
        else:
            shutil.copyfile(home / "madsafe.sqlite3", self.var / "madsafe.sqlite3")

    def remove(self) -> None:
        shutil.rmtree(self.var)
        if connection.vendor == "postgresql":
            self._server("DROP DATABASE {0}_{1} WITH (FORCE)")

    def _server(self, sql: str) -> None:
        import psycopg

        known = connection.settings_dict
        facts = {name.lower(): known[name] for name in ("HOST", "PORT", "USER", "PASSWORD") if known[name]}
        with psycopg.connect(**facts, dbname="postgres", autocommit=True) as server:
            server.execute(sql.format(known["NAME"], self.name))


def work(chain_path: str) -> None:
    """Work through the chain as `manage.py run_pipeline` does. Raises RuntimeError where it does not end as done."""
    last = chain.work_through(chain.prepare(chain.read(Path(chain_path))), lambda run: None)
    if last.state != Run.State.DONE:
        raise RuntimeError(f"{last} is {last.state}: {last.error}")


def left() -> dict[str, Any]:
    """What lies in the database and in the folders of the var folder."""
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for name, sql in LEFT.items():
            cursor.execute(sql)
            found[name] = sorted([str(value) for value in row] for row in cursor.fetchall())
    folders = [path for path in settings.VAR_DIR.iterdir() if path.is_dir() and not path.is_symlink()]
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    names = (str(path.relative_to(settings.VAR_DIR)) for path in files)
    found["files"] = sorted(ID.sub("#", name) for name in names)
    return found


def ends_at(number: int, chain_path: str, side: str) -> tuple[int, dict[str, Any]]:
    """How a life ended that was to die at this commit, and what the next one left and had imported."""
    place = Place(f"life{number}")
    place.make()
    deadly = Deadly(number, side)
    report = place.var.parent / "left.json"

    def first() -> None:
        deadly.watch()
        work(chain_path)

    def second() -> None:
        work(chain_path)
        report.write_text(json.dumps({"left": left(), "imported": sorted(sys.modules)}))

    ended = place.life(first)
    if place.life(second) != SURVIVED:
        raise RuntimeError(f"killed {side} commit {number}, the chain did not end when it was called again")
    place.remove()
    return ended, json.loads(report.read_text())


def unlike(was: dict[str, Any], is_now: dict[str, Any]) -> dict[str, list[Any]]:
    """What differs, by its name in LEFT: before, and now."""
    return {name: [was[name], is_now[name]] for name in was if was[name] != is_now[name]}


def main(chain_path: str, side: str) -> None:
    _, undisturbed = ends_at(0, chain_path, side)
    for name in undisturbed["imported"]:
        importlib.import_module(name)  # once, for all lives after this one
    different: dict[int, Any] = {}
    for number in count(1):
        ended, found = ends_at(number, chain_path, side)
        if ended == SURVIVED:
            print(json.dumps({"commits": number - 1, "different": different}))
            return
        if ended != -signal.SIGKILL:
            raise RuntimeError(f"a life that was to be killed {side} commit {number} ended with {ended}")
        if found["left"] != undisturbed["left"]:
            different[number] = unlike(undisturbed["left"], found["left"])


if __name__ == "__main__":
    main(*sys.argv[1:])
