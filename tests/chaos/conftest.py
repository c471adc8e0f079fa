"""Fixtures of the tests that kill processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.helpers.installation import Installation, installed


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[[str], Installation]]:
    """Makes migrated installations by name; what was started in them ends with the test."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(installed(tmp_path / name)).migrated().with_models()
