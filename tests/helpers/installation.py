"""A private installation for one test: its own var folder and database, and every process started in it ended with it.

Commands run as real processes. What they did is read from the database file or server with plain SQL, since Django in
the test process is bound to another database.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MARK = "TESTED_INSTALLATION"  # handed on to every descendant, so that none of them can outlive the test
OURS = ("MADSAFE_", "DATABASE_URL", "CELERY_", "LLAMAFACTORY_")
KEY = "a key for tests only, long enough for the settings to take it"
PATIENCE = 4.0  # on a machine that does other things too; such times only end what would never end
COUNTS = ("read", "kept", "duplicate", "rejected", "failed")


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended, with what it wrote."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON object in the last line."""
        found: dict[str, Any] = json.loads(self.out.strip().splitlines()[-1])
        return found

    @property
    def counts(self) -> list[tuple[Any, ...]]:
        """Stage and its counts, for every stage of the summary."""
        return [(row["stage"], row["state"], *(row[name] for name in COUNTS)) for row in self.summary["stages"]]


@dataclass(frozen=True, slots=True)
class Running:
    """A command in a session of its own; its output goes to files, so that nobody hangs on a pipe after a kill."""

    process: subprocess.Popen[bytes]
    files: Path

    def kill(self) -> None:
        """SIGKILL to the process alone."""
        self.process.kill()
        self.process.wait(30)

    def wait(self, seconds: float) -> Finished:
        """Its end; a test fails with what it wrote when it does not end in time."""
        try:
            code = self.process.wait(PATIENCE * seconds)
        except subprocess.TimeoutExpired:
            said = f"{self.out[-3000:]}{self.err[-3000:]}"
            pytest.fail(f"{self.process.args} did not end within {PATIENCE * seconds:.0f} s:\n{said}")
        return Finished(code, self.out, self.err)

    @property
    def out(self) -> str:
        return self.files.with_suffix(".out").read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        return self.files.with_suffix(".err").read_text(encoding="utf-8", errors="replace")


class Installation:
    """See the module. Use `installed`, which ends its processes."""

    def __init__(self, folder: Path, database_url: str = "", **env: str) -> None:
        self.folder, self.var, self.database_url = folder, folder / "var", database_url
        self.var.mkdir(parents=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        keys = {"MADSAFE_SECRET_KEY": KEY, "MADSAFE_ENCRYPTION_KEYS": KEY.replace(",", "")}
        own = {"MADSAFE_VAR": str(self.var), **keys, "OMP_NUM_THREADS": "1", MARK: str(folder)}
        self.env = {**kept, **own, **({"DATABASE_URL": database_url} if database_url else {}), **env}
        self._started = 0

    def start(self, *command: str, **env: str) -> Running:
        """Start `python -m` or `python` with these arguments, detached from the test's terminal and session."""
        self._started += 1
        files = self.folder / f"command-{self._started}"
        with files.with_suffix(".out").open("wb") as out, files.with_suffix(".err").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return Running(process, files)

    def manage(self, *arguments: str, seconds: float = 90.0, **env: str) -> Finished:
        """Run `manage.py` to its end, whatever its exit status."""
        return self.start("manage.py", *arguments, **env).wait(seconds)

    def migrated(self) -> Installation:
        """This installation with its tables; on SQLite a copy of a database migrated once a test process."""
        if self.database_url:
            assert self.manage("migrate", "-v0").code == 0
        else:
            shutil.copyfile(migrated_sqlite(), self.var / "madsafe.sqlite3")
        return self

    def with_models(self) -> Installation:
        """This installation with the folder of tiny models that all tests of this machine and user share."""
        shared = Path(tempfile.gettempdir()) / f"madsafe-tests-{os.getuid()}" / "models"
        shared.mkdir(parents=True, exist_ok=True)
        (self.var / "models").symlink_to(shared)
        return self

    def chain(self, stages: Sequence[Any], name: str = "test", endpoints: Mapping[str, Any] | None = None) -> str:
        """The path of a chain file with these stages."""
        path = self.folder / f"{name}.yaml"
        facts = {"name": name, "endpoints": dict(endpoints or {}), "stages": list(stages)}
        path.write_text(yaml.safe_dump(facts, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return str(path)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query gives; [] while the database is not there yet."""
        if self.database_url:
            import psycopg

            with psycopg.connect(self.database_url, autocommit=True) as server:
                return list(server.execute(sql))
        path = self.var / "madsafe.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
            return list(database.execute(sql))

    def one(self, sql: str) -> Any:
        """The first value of the first row of a query."""
        return self.rows(sql)[0][0]

    def errors(self) -> list[str]:
        """The sentences on runs that did not go on."""
        return [error for (error,) in self.rows("SELECT error FROM core_run WHERE error <> '' ORDER BY id")]

    def processes(self) -> list[psutil.Process]:
        """Every living process that descends from a command of this installation."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == str(self.folder):
                    found.append(process)
        return found

    def close(self) -> None:
        """SIGKILL to what still lives."""
        for _ in range(3):  # one that was being started while we looked shows up the next time
            living = self.processes()
            for process in living:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(living, timeout=10)


@contextmanager
def installed(folder: Path, database_url: str = "", **env: str) -> Iterator[Installation]:
    """An installation whose processes end when the block does."""
    made = Installation(folder, database_url, **env)
    try:
        yield made
    finally:
        made.close()


@cache
def migrated_sqlite() -> Path:
    """A database file with all tables and nothing else."""
    with tempfile.TemporaryDirectory(prefix="madsafe-tests-") as folder, installed(Path(folder, "empty")) as made:
        done = made.manage("migrate", "-v0")
        assert done.code == 0, done.err
        with closing(sqlite3.connect(made.var / "madsafe.sqlite3")) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept = Path(os.environ["MADSAFE_VAR"]) / f"migrated-{os.getpid()}.sqlite3"
        shutil.copyfile(made.var / "madsafe.sqlite3", kept)
        return kept


@contextmanager
def postgres_database() -> Iterator[str]:
    """The URL of a database made for one test and dropped after it; skips where there is no server."""
    url = os.environ.get("TEST_POSTGRES_URL")
    if not url:
        pytest.skip("TEST_POSTGRES_URL is not set")
    import psycopg

    name = f"madsafe_test_{os.getpid()}_{time.monotonic_ns()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    try:
        yield f"{url.rsplit('/', 1)[0]}/{name}"
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def wait_until(condition: Callable[[], Any], seconds: float = 60.0, what: str = "") -> Any:
    """What `condition` gives once it is true; the test fails when it never is."""
    deadline, pause = time.monotonic() + PATIENCE * seconds, threading.Event()
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {PATIENCE * seconds:.0f} s in vain{f' for {what}' if what else ''}"
        pause.wait(0.02)


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prompt_file(folder: Path, rows: int, name: str = "prompts.jsonl") -> Path:
    """A file in the format `s_eval` with short, distinct, harmless prompts."""
    topics = ("个人隐私保护", "网络安全常识", "身心健康习惯", "公平对待他人", "交通规则", "饮食安排")
    path = folder / name
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            prompt = f"第{number}号问题：请说明{topics[number % len(topics)]}的第{number * 7919 % 10007}条要点。"
            row = {"traceid": f"{number:032x}", "risk_type": "Data_Privacy", "prompt": prompt}
            file.write(json.dumps({**row, "ext": '{"model": "base_risk"}'}, ensure_ascii=False) + "\n")
    return path


def import_of(path: Path, format_name: str = "s_eval", **fields: Any) -> dict[str, Any]:
    """A stage that imports one file as alignment data."""
    return {"import": {"files": [{"path": str(path), "format": format_name, "role": "alignment", **fields}]}}
