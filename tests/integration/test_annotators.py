"""A few annotators at once against a served installation; tests/performance/annotators.py is the large form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import psutil
import pytest

from tests.helpers.installation import Installation, installed, postgres_database, wait_until
from tests.performance.annotators import measure

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    database = postgres_database() if request.param == "postgresql" else nullcontext("")
    with database as url, installed(tmp_path / "installation", url) as found:
        yield found.migrated()


def test_people_merging_at_once_lose_nothing(made: Installation) -> None:
    found = measure(made, people=4, operations=20)
    assert found.problems == []
    assert found.conflicts > 0


def test_the_script_that_is_told_to_end_leaves_no_server(tmp_path: Path) -> None:
    with installed(tmp_path / "installation") as found:
        script = found.start("-m", "tests.performance.annotators", "--people", "1", "--operations", "1000000")
        process = psutil.Process(script.process.pid)
        wait_until(lambda: any("serve" in one.cmdline() for one in children(process)), 120, "the server")
        started = children(process)
        process.terminate()
        assert script.wait(60).code == 128 + 15
        _gone, left = psutil.wait_procs(started, timeout=60)
        assert left == []


def children(process: psutil.Process) -> list[psutil.Process]:
    """The living descendants; one that ends while it is asked is none of them."""
    found = []
    for one in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            one.cmdline()
            found.append(one)
    return found
