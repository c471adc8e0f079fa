"""A few annotators at once against a served installation; tests/performance/annotators.py is the large form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.helpers.installation import Installation, installed, postgres_database
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
