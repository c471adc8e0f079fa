"""Every test: `python -m tests`. On SQLite; where TEST_POSTGRES_URL is set, those that touch the database there too."""

from __future__ import annotations

import os
import sys

import pytest

WORKERS = ["-n", "2", "--dist", "loadfile"]


def main() -> int:
    code = run("SQLite", [])
    url = os.environ.get("TEST_POSTGRES_URL")
    if url is None:
        print("PostgreSQL: skipped, TEST_POSTGRES_URL is not set.")
        return code
    return code or run("PostgreSQL", ["-m", "database"], DATABASE_URL=url)


def run(name: str, arguments: list[str], **env: str) -> int:
    """One pass of pytest in a process of its own, since Django reads its database once."""
    print(f"== {name}", flush=True)
    pid = os.fork()
    if pid == 0:
        os.environ.update(env)
        os._exit(int(pytest.main([*WORKERS, *arguments])))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
