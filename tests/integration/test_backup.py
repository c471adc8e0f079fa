"""Backups under load, restored from each database into each other one, and on a disk that is full."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from madsafe_web.core.backup.archive import members
from tests.helpers.installation import (
    Finished,
    Installation,
    import_of,
    installed,
    postgres_database,
    prompt_file,
    wait_until,
)

pytestmark = pytest.mark.slow
ROWS = 20_000  # enough that the run is not done before it is looked at
PASSWORD = "a password for tests only"
ACCOUNT = f"""
from madsafe_web.core.models import User
User.objects.create_user("lead", password="{PASSWORD}", role="lead")
"""
SIGN_IN = f"""
from django.test import Client
browser = Client(SERVER_NAME="127.0.0.1")
browser.post("/accounts/login/", {{"username": "lead", "password": "{PASSWORD}"}})
print("runs", browser.get("/runs/").status_code)
"""
# Pauses the run as soon as it has written some rows more.
PAUSE = """
import time
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service
run = Run.objects.get(stage="label")
enough = service.counts(run)["read"] + 100
assert enough < run.total, "the run was too fast"
print("watching", flush=True)
while service.counts(run)["read"] < enough:
    time.sleep(0.005)
assert service.run_pause(run)
"""
LABELLED = "SELECT COUNT(*) FROM core_runrow w JOIN core_run r ON r.id = w.run_id WHERE r.stage = 'label'"
STATE = "SELECT state FROM core_run WHERE stage = 'label'"
# Runs a command with files of at most so many bytes, as a full disk would allow.
LIMITED = """
import resource, runpy, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv[0] = "manage.py"
runpy.run_path("manage.py", run_name="__main__")
"""

SEARCH = """
from annotation.models import Prompt
from annotation.searching import matching
print("found", matching(Prompt.objects.all(), "交通").count())
"""


@dataclass(frozen=True, slots=True)
class Source:
    """An installation that was backed up twice, while it worked and while its run was paused, and how it ended."""

    chain: str
    under_load: Path
    paused: Path
    counts: list[tuple[Any, ...]]


def made_on(vendor: str, stack: ExitStack, folder: Path) -> Installation:
    database = stack.enter_context(postgres_database()) if vendor == "postgresql" else ""
    return stack.enter_context(installed(folder, database))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    folder = tmp_path_factory.mktemp("source")
    with ExitStack() as stack:
        made = made_on(request.param, stack, folder / "installation").migrated()
        assert made.manage("shell", "-v0", "-c", ACCOUNT).code == 0
        (made.var / "sets").mkdir()
        (made.var / "sets" / "set-1.jsonl").write_text("a frozen set\n", encoding="utf-8")
        chain = made.chain([import_of(prompt_file(made.folder, ROWS), name="prompts"), "label"])
        yield Source(chain, *backed_up(made, chain, folder))


def backed_up(made: Installation, chain: str, folder: Path) -> tuple[Path, Path, list[tuple[Any, ...]]]:
    """The worker waits until the first backup is at its beginning, then goes on while that is written."""
    working = made.start("manage.py", "run_pipeline", chain, "--json", MADSAFE_RUN_HEARTBEAT_S="0.1")
    wait_until(lambda: made.one(LABELLED), 60, "rows of label")
    working.process.send_signal(signal.SIGSTOP)
    copying = made.start("manage.py", "backup", str(folder / "load.tar"))
    pausing = made.start("manage.py", "shell", "-v0", "-c", PAUSE)
    wait_until(lambda: list(folder.glob(".load.tar.*")) and "watching" in pausing.out, 60, "the backup to begin")
    working.process.send_signal(signal.SIGCONT)
    assert copying.wait(60).code == pausing.wait(60).code == 0, copying.err + pausing.err
    assert working.wait(60).code == 3, working.err
    done = made.manage("backup", str(folder / "paused.tar"))
    assert done.code == 0, done.err
    ended = made.manage("run_pipeline", chain, "--json")
    assert ended.code == 0, ended.err
    return folder / "load.tar", folder / "paused.tar", ended.counts


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """A place with nothing in it."""
    with ExitStack() as stack:
        yield made_on(request.param, stack, tmp_path / "restored")


def restored(target: Installation, path: Path) -> Finished:
    done = target.manage("restore", str(path))
    assert done.code == 0, done.err
    assert done.err == ""
    return done


def test_a_backup_under_load_is_of_one_moment_and_goes_on_elsewhere(source: Source, target: Installation) -> None:
    restored(target, source.under_load)
    read = target.one("SELECT SUM(c.read) FROM core_chunk c JOIN core_run r ON r.id = c.run_id WHERE r.stage = 'label'")
    assert 0 < read == target.one(LABELLED) < ROWS
    assert target.one(STATE) == "running"
    assert target.one("SELECT COUNT(*) FROM core_chunk WHERE state = 'leased'") == 0
    assert (target.var / "sets" / "set-1.jsonl").read_text(encoding="utf-8") == "a frozen set\n"
    assert target.one("SELECT verb FROM core_auditevent ORDER BY sequence DESC LIMIT 1") == "restore"
    assert "runs 200" in target.manage("shell", "-v0", "-c", SIGN_IN).out
    held = target.one("SELECT COUNT(*) FROM annotation_prompt WHERE text LIKE '%交通%'")
    assert f"found {held}" in target.manage("shell", "-v0", "-c", SEARCH).out and held > 0
    ended = target.manage("run_pipeline", source.chain, "--json")
    assert (ended.code, ended.counts) == (0, source.counts)
    assert target.one(LABELLED) == ROWS


def test_a_paused_run_is_as_it_was_and_resumes_to_its_end(source: Source, target: Installation, tmp_path: Path) -> None:
    restored(target, source.paused)
    assert target.one(STATE) == "paused"
    assert 0 < target.one(LABELLED) < ROWS
    assert target.manage("backup", str(tmp_path / "again.tar")).code == 0
    before, after = content(source.paused), content(tmp_path / "again.tar")
    assert set(before) == set(after)
    changed = {name.split("/")[1] for name in before if before[name] != after[name]}
    assert changed == {"core_auditevent", "core_audithead"}
    ended = target.manage("run_pipeline", source.chain, "--json")
    assert (ended.code, ended.counts) == (0, source.counts)


def content(path: Path) -> dict[str, list[Any]]:
    """The rows of each part, read: PostgreSQL keeps no order of the names in an object."""
    with path.open("rb") as file:
        found = {name: data.read() for name, data in members(file) if name.startswith("tables/")}
    return {name: [json.loads(line) for line in gzip.decompress(data).splitlines()] for name, data in found.items()}


def limited(place: Installation, limit: int, *arguments: str) -> Finished:
    return place.start("-c", LIMITED, str(limit), *arguments).wait(90)


def test_a_backup_on_a_full_disk_leaves_no_file(installation: Installation, tmp_path: Path) -> None:
    (installation.var / "sets").mkdir()
    (installation.var / "sets" / "large").write_bytes(b"x" * 2_000_000)
    folder = tmp_path / "backups"
    folder.mkdir()
    done = limited(installation, 1_000_000, "backup", str(folder / "b.tar"))
    assert done.code == 1
    assert done.err.startswith("CommandError: ") and "was not written" in done.err
    assert list(folder.iterdir()) == []


def test_a_restore_on_a_full_disk_leaves_nothing(installation: Installation, tmp_path: Path) -> None:
    (installation.var / "sets").mkdir()
    (installation.var / "sets" / "small").write_bytes(b"x")
    (installation.var / "uploads" / "a").mkdir(parents=True)
    (installation.var / "uploads" / "a" / "large").write_bytes(b"x" * 9_000_000)
    assert installation.manage("shell", "-v0", "-c", ACCOUNT).code == 0
    assert installation.manage("backup", str(tmp_path / "b.tar")).code == 0
    with installed(tmp_path / "other") as other:
        other.migrated()
        done = limited(other, 8_000_000, "restore", str(tmp_path / "b.tar"))
        assert (done.code, done.err[:36]) == (1, "CommandError: Nothing was restored: ")
        assert [path for path in other.var.rglob("*") if path.name in ("small", "large")] == []
        assert other.one("SELECT COUNT(*) FROM core_user") == 0
        again = other.manage("restore", str(tmp_path / "b.tar"))
        assert again.code == 0, again.err
        assert other.one("SELECT COUNT(*) FROM core_user") == 1


def test_a_full_disk_is_down(installation: Installation) -> None:
    done = limited(installation, 50_000, "health")
    assert done.code == 1 and "disk: full" in done.out and "database: ok" in done.out


def test_a_torn_backup_writes_nothing(installation: Installation, tmp_path: Path) -> None:
    whole, torn = tmp_path / "b.tar", tmp_path / "torn.tar"
    assert installation.manage("backup", str(whole)).code == 0
    shutil.copyfile(whole, torn)
    with torn.open("r+b") as file:
        file.truncate(whole.stat().st_size // 2)
    with installed(tmp_path / "other") as other:
        done = other.manage("restore", str(torn))
        assert done.code == 1
        assert "torn.tar is torn" in done.err and "Nothing was restored." in done.err
        assert not (other.var / "madsafe.sqlite3").exists() or other.rows("SELECT name FROM sqlite_master") == []
