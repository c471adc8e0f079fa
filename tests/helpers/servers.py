"""PostgreSQL and Redis of one test's own, so that they can be killed and started again."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.helpers.installation import free_port, wait_until

POSTGRES_FOLDERS = "/usr/lib/postgresql/*/bin"
Start = Callable[[], "subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class Server:
    """A server's address for the settings, and how it is started; its process is the one that `start` gives."""

    url: str
    start: Start


def kill_tree(process: psutil.Process) -> None:
    """SIGKILL to a process and, right after it, to all that descend from it; waits for their end."""
    with suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        for one in family:  # the parent first, so that it does not look after a child that died
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family[1:], timeout=30)


def postgres_program() -> Path | None:
    """The newest PostgreSQL server of this machine."""
    return max(Path("/").glob(f"{POSTGRES_FOLDERS[1:]}/postgres"), default=None)


def redis_program() -> str | None:
    return shutil.which("redis-server")


def missing() -> list[str]:
    """The names of the servers that are not installed on this machine."""
    found = {"PostgreSQL": postgres_program(), "Redis": redis_program()}
    return [name for name, program in found.items() if program is None]


@contextmanager
def own_postgres() -> Iterator[Server]:
    """A new cluster with an empty database `madsafe`. It is not running yet, and is killed with the block.

    Without fsync: SIGKILL takes nothing from what the system has still to write to the disk.
    """
    program = postgres_program()
    if not program:
        pytest.skip("PostgreSQL is not installed")
    with own_folder() as folder:
        data, port, account = folder / "data", free_port(), as_postgres(folder)
        initdb = [str(program.with_name("initdb")), "-D", str(data), "-A", "trust", "-U", "madsafe"]
        subprocess.run([*initdb, "--locale=C.UTF-8", "--no-sync"], check=True, capture_output=True, **account)
        command = [str(program), "-D", str(data), "-p", str(port), "-k", str(folder)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with starting(command, folder, **account) as start:
            yield Server(f"postgresql://madsafe@127.0.0.1:{port}/postgres", start)


@contextmanager
def own_redis() -> Iterator[Server]:
    """A Redis that keeps nothing on disk: killed, it has lost every message. Not running yet, killed with the block."""
    program = redis_program()
    if not program:
        pytest.skip("Redis is not installed")
    with own_folder() as folder:
        port = free_port()
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        with starting(command, folder) as start:
            yield Server(f"redis://127.0.0.1:{port}/0", start)


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder outside pytest's, which only its owner may enter."""
    with tempfile.TemporaryDirectory(prefix="madsafe-server-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def as_postgres(folder: Path) -> dict[str, Any]:
    """Arguments of a process in this folder that must not run as root."""
    if os.getuid() != 0:
        return {}
    shutil.chown(folder, "postgres")
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


@contextmanager
def starting(command: list[str], folder: Path, **account: Any) -> Iterator[Start]:
    """A function that starts the command; whatever it started is killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        with (folder / "log").open("ab") as log:
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **account))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            if process.poll() is None:
                kill_tree(psutil.Process(process.pid))
            process.wait(30)


def answers(url: str) -> bool:
    """Whether the server at this address takes connections."""
    if url.startswith("redis"):
        import redis

        with suppress(redis.RedisError), redis.Redis.from_url(url) as server:
            return bool(server.ping())
        return False
    import psycopg

    with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=5):
        return True
    return False


def running(server: Server) -> subprocess.Popen[bytes]:
    """The process of a server that was started and takes connections."""
    process = server.start()
    wait_until(lambda: answers(server.url), 60, f"an answer of {server.url.partition(':')[0]}")
    return process
