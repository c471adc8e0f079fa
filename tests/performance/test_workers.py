"""Where PostgreSQL or Redis is not installed, the script says so and the scripts after it go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers import servers
from tests.performance import workers
from tests.performance.common import EXIT_MEASURED


def test_without_its_servers_it_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(servers, "postgres_program", lambda: Path("/usr/bin/postgres"))
    monkeypatch.setattr(servers, "redis_program", lambda: None)
    assert workers.main([]) == EXIT_MEASURED
    said, facts = capsys.readouterr().out.splitlines()
    assert said == "Redis: not installed"
    assert json.loads(facts) == {"alone": None, "together": None, "share": None}
