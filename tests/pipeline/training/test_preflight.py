from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.training import preflight
from pipeline.training.config import TrainingConfig
from tests.models import tiny_model

GOOD = {
    "llamafactory": "0.9.5",
    "torch": "2.13.0",
    "transformers": "5.5.4",
    "datasets": "4.0.0",
    "accelerate": "1.11.0",
    "peft": "0.18.1",
    "trl": "0.24.0",
}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"instruction": "a", "input": "", "output": "b"}]))
    return path


@pytest.fixture(scope="session")
def needs_llamafactory() -> None:
    if preflight.cli_command() is None:
        pytest.skip("LLaMA-Factory is not installed here.")


def problems(model: Path | str, dataset: Path, folder: Path, template: str = "llama3") -> list[str]:
    config = TrainingConfig(str(model), template=template)
    return [problem.what for problem in preflight.check(config, dataset, folder)]


@pytest.mark.usefixtures("needs_llamafactory")
def test_a_run_with_everything_in_place_has_no_problem(dataset: Path, tmp_path: Path) -> None:
    assert problems(tiny_model(), dataset, tmp_path / "not" / "yet") == []


@pytest.mark.usefixtures("needs_llamafactory")
def test_an_unknown_template_is_named(dataset: Path, tmp_path: Path) -> None:
    (what,) = problems(tiny_model(), dataset, tmp_path, template="llama33")
    assert "llama33" in what


def test_a_missing_command_says_how_to_install_it(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMAFACTORY_CLI", "no-such-command")
    (problem,) = preflight.check(TrainingConfig(str(tiny_model())), dataset, tmp_path)
    assert problem.what == "LLaMA-Factory is not installed."
    assert "LLAMAFACTORY_CLI" in problem.what_to_do


def test_the_configured_command_may_have_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMAFACTORY_CLI", f"{sys.executable} -m llamafactory.cli")
    assert preflight.cli_command() == [sys.executable, "-m", "llamafactory.cli"]


def test_the_pinned_versions_are_accepted() -> None:
    assert preflight.version_problems(GOOD) == []


@pytest.mark.parametrize(("name", "version"), [("transformers", "5.6.2"), ("peft", "0.17.0"), ("trl", "")])
def test_a_version_that_llamafactory_refuses_is_named_with_what_it_accepts(name: str, version: str) -> None:
    (problem,) = preflight.version_problems({**GOOD, name: version})
    assert name in problem.what
    assert f"{name}>=" in problem.what_to_do


def test_a_missing_model_folder_is_named(dataset: Path, tmp_path: Path) -> None:
    assert any("There is no model folder" in what for what in problems(tmp_path / "none", dataset, tmp_path))


@pytest.mark.parametrize(
    ("file", "word"),
    [("config.json", "configuration"), ("model.safetensors", "weights"), ("tokenizer.json", "tokenizer")],
)
def test_a_part_missing_from_the_model_folder_is_named(dataset: Path, tmp_path: Path, file: str, word: str) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model(), model)
    (model / file).unlink()
    assert any(f"no readable {word}" in what for what in problems(model, dataset, tmp_path))


def test_rows_that_cannot_be_trained_on_are_named(dataset: Path, tmp_path: Path) -> None:
    dataset.write_text('[{"instruction": "a", "output": ""}]')
    assert "Row 1 has no output." in problems(tiny_model(), dataset, tmp_path)


def test_too_little_disk_is_named(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    assert any("of disk" in what for what in problems(tiny_model(), dataset, tmp_path))


def test_the_torchaudio_stand_in_imports_and_refuses_use() -> None:
    code = f"import sys; sys.path.insert(0, {str(preflight.SHIMS)!r}); import torchaudio; torchaudio.load"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "AttributeError: torchaudio.load is not available" in done.stderr


def test_the_stand_in_is_used_only_where_torchaudio_fails_to_import(tmp_path: Path) -> None:
    python = tmp_path / "python"
    for status, expected in ((0, None), (1, preflight.SHIMS)):
        python.write_text(f"#!/bin/sh\nexit {status}\n")
        python.chmod(0o755)
        assert preflight.torchaudio_stand_in(str(python)) == expected
