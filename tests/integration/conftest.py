"""Fixtures of the tests that run commands as real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.installation import Installation, installed


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Installation]:
    """An installation without a database."""
    with installed(tmp_path / "installation") as made:
        yield made


@pytest.fixture
def installation(empty: Installation) -> Installation:
    """A migrated installation on SQLite."""
    return empty.migrated()
