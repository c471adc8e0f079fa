"""Fixtures of the tests that kill processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.helpers.installation import Installation, installed, postgres_database


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[[str], Installation]]:
    """Makes migrated installations by name; what was started in them ends with the test."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(installed(tmp_path / name)).migrated().with_models()


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> list[Installation]:
    """Two installations: one that is left alone, and one that is not."""
    stack = ExitStack()
    request.addfinalizer(stack.close)
    made = []
    for name in ("quiet", "killed"):
        url = stack.enter_context(postgres_database()) if request.param == "postgresql" else ""
        env = {"DJANGO_SETTINGS_MODULE": "madsafe_web.settings"}
        made.append(stack.enter_context(installed(tmp_path / name, url, **env)).migrated())
    return made
