"""Stages over the backend `vllm`, worked by a real command with a real child; vLLM is tests/helpers/fake_vllm."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.test_vllm import gone
from tests.helpers.installation import ROOT, Installation, import_of, prompt_file, wait_until

pytestmark = pytest.mark.slow
ROWS = 12
FAKE = ROOT / "tests" / "helpers" / "fake_vllm"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


@pytest.fixture
def made(installation: Installation, model: Path) -> Installation:
    """An installation whose workers find what passes for vLLM."""
    python = installation.folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{FAKE}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    installation.env["MADSAFE_VLLM_PYTHON"] = str(python)
    return installation


def chain(made: Installation, model: Path, name: str = "first", **options: Any) -> str:
    endpoint = {"backend": "vllm", "model": str(model), "concurrency": 8, "options": {"batch_rows": 4, **options}}
    stages = [import_of(prompt_file(made.folder, ROWS), name="prompts"), {"label": {"endpoint": "bulk"}}]
    return made.chain([*stages, {"perplexity": {"endpoint": "bulk"}}], name, {"bulk": endpoint})


def batches(model: Path) -> list[int]:
    path = model / "batches"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def replies(made: Installation) -> int:
    return int(made.one("SELECT count(*) FROM core_generation"))


def test_stages_are_worked_in_batches_and_the_second_run_starts_no_child(made: Installation, model: Path) -> None:
    done = made.manage("run_pipeline", chain(made, model, max_model_len=256), "--json")
    assert done.code == 0, done.err
    assert {row["stage"]: row["read"] for row in done.summary["stages"]} == dict.fromkeys(
        ("import", "label", "perplexity"), ROWS
    )
    assert replies(made) == ROWS == sum(batches(model)) and max(batches(model)) <= 4
    (model / "pid").unlink()
    again = made.chain([{"label": {"endpoint": "bulk"}}], "second")
    assert made.manage("run_pipeline", again).code == 0
    assert replies(made) == ROWS == sum(batches(model)) and not (model / "pid").exists()


def test_a_child_ends_with_a_worker_that_is_killed_and_the_run_goes_on(made: Installation, model: Path) -> None:
    path = chain(made, model, max_model_len=256)
    (model / "wait").touch()
    running = made.start("manage.py", "run_pipeline", path)
    wait_until(lambda: batches(model), 90, "the first batch")
    child = int((model / "pid").read_text())
    running.kill()
    wait_until(lambda: gone(child))
    (model / "wait").unlink()
    done = made.manage("run_pipeline", path, "--json")
    assert done.code == 0, done.err
    assert replies(made) == ROWS


def test_a_model_that_cannot_be_loaded_stops_the_run_with_the_reason(made: Installation, model: Path) -> None:
    done = made.manage("run_pipeline", chain(made, model / "missing"))
    assert done.code == 1
    assert "missing is not a local folder" in " ".join(made.errors())
