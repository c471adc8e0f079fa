"""Launching, stopping and resuming. The quick tests run a small script in LLaMA-Factory's place, in real processes;
those marked slow train the tiny model for real."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from madsafe_web.core.llm.tiny_model import model_sha256
from pipeline.training import preflight, process
from pipeline.training.config import TrainingConfig, write
from pipeline.training.log_reader import read
from tests.models import tiny_model

SCRIPT = """#!{python}
import json, os, pathlib, signal, sys
folder = pathlib.Path.cwd()
mode = pathlib.Path(sys.argv[2]).read_text()
(folder / "environment.json").write_text(json.dumps(dict(os.environ)))
def save(step):
    (folder / "output").mkdir(exist_ok=True)
    (folder / "output" / "trainer_state.json").write_text(json.dumps({{"global_step": step, "max_steps": 4}}))
def abort(*_):
    save(2)
    sys.exit(0)
if mode == "finish":
    save(4)
elif mode == "fail":
    raise KeyError("input")
elif mode == "kill itself":
    os.killpg(0, signal.SIGKILL)
else:
    signal.signal(signal.SIGABRT, abort if mode == "wait" else signal.SIG_IGN)
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / "ready").touch()
    while True:
        signal.pause()
"""


def wait_until(condition: Callable[[], bool], seconds: float = 250.0) -> None:
    """Wait for something another process does; fails the test when it does not."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        pause.wait(0.05)


def end(folder: Path) -> process.ExitState:
    wait_until(lambda: not process.busy(folder))
    return process.exit_state(folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    script = tmp_path / "bin" / "llamafactory-cli"
    script.parent.mkdir()
    script.write_text(SCRIPT.format(python=sys.executable))
    script.chmod(0o755)
    monkeypatch.setenv("LLAMAFACTORY_CLI", str(script))
    run = tmp_path / "run"
    run.mkdir()
    yield run
    process.stop(run, clean=0.0, terminate=0.0)


def launch(folder: Path, mode: str) -> process.Process:
    (folder / "train.yaml").write_text(mode)
    started = process.launch(folder, folder / "train.yaml")
    if mode in ("wait", "deaf", "stubborn"):
        wait_until((folder / "ready").exists)
    return started


def test_a_finished_run_has_all_its_steps(folder: Path) -> None:
    launch(folder, "finish")
    assert end(folder) == process.ExitState("finished", "", 0, 4, 4)


def test_the_end_is_written_down_with_its_times(folder: Path) -> None:
    launch(folder, "finish")
    end(folder)
    record = json.loads((folder / "exit.json").read_text())
    assert record["returncode"] == 0
    assert 0 < record["started"] <= record["ended"]


def test_a_failed_run_says_its_last_error(folder: Path) -> None:
    launch(folder, "fail")
    state = end(folder)
    assert (state.state, state.message, state.returncode) == ("failed", "KeyError: 'input'", 1)


def test_a_missing_command_is_a_failed_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMAFACTORY_CLI", "no-such-command")
    launch(folder, "finish")
    assert "LLaMA-Factory is not installed" in end(folder).message


def test_a_killed_group_is_lost(folder: Path) -> None:
    started = launch(folder, "kill itself")
    assert end(folder).state == "lost"
    assert not process.alive(started.pid, started.started)


def test_the_process_does_not_belong_to_our_session(folder: Path) -> None:
    started = launch(folder, "wait")
    assert os.getsid(started.pid) == started.pid != os.getsid(0)


def test_a_process_is_alive_only_with_its_own_start_time(folder: Path) -> None:
    started = launch(folder, "wait")
    assert process.alive(started.pid, started.started)
    assert not process.alive(started.pid, started.started - 60)


def test_the_recorded_process_is_the_launched_one(folder: Path) -> None:
    started = launch(folder, "wait")
    record = json.loads((folder / "process.json").read_text())
    assert (record["pid"], record["started"]) == (started.pid, pytest.approx(started.started, abs=0.1))


def test_a_second_launch_is_refused_while_the_first_lives(folder: Path) -> None:
    launch(folder, "wait")
    with pytest.raises(process.LaunchRefused, match="at work"):
        launch(folder, "wait")


def test_of_many_launches_at_once_one_wins(folder: Path) -> None:
    (folder / "train.yaml").write_text("wait")

    def attempt(_: int) -> bool:
        try:
            process.launch(folder, folder / "train.yaml")
        except process.LaunchRefused:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1


def test_a_launch_is_refused_while_a_process_lives_whose_runner_was_killed(folder: Path) -> None:
    started = launch(folder, "wait")
    os.kill(started.pid, signal.SIGKILL)
    wait_until(lambda: not process.alive(started.pid, started.started))
    with pytest.raises(process.LaunchRefused):
        launch(folder, "wait")
    assert process.stop(folder, clean=10).state == "stopped"


def test_a_finished_training_is_not_started_again(folder: Path) -> None:
    launch(folder, "finish")
    end(folder)
    with pytest.raises(process.LaunchRefused, match="finished"):
        launch(folder, "finish")


def test_a_failed_training_may_be_started_again(folder: Path) -> None:
    launch(folder, "fail")
    end(folder)
    launch(folder, "finish")
    assert end(folder).state == "finished"


def test_the_error_of_an_earlier_start_is_not_shown_again(folder: Path) -> None:
    launch(folder, "fail")
    end(folder)
    launch(folder, "kill itself")
    assert "KeyError" not in end(folder).message


def test_a_clean_stop_keeps_its_steps(folder: Path) -> None:
    launch(folder, "wait")
    assert process.stop(folder) == process.ExitState("stopped", "Stopped after 2 of 4 steps.", 0, 2, 4)


def test_a_process_deaf_to_the_clean_stop_is_terminated(folder: Path) -> None:
    launch(folder, "deaf")
    state = process.stop(folder, clean=0.2)
    assert (state.state, state.returncode) == ("stopped", -signal.SIGTERM)


def test_a_stubborn_process_is_killed_with_its_group(folder: Path) -> None:
    started = launch(folder, "stubborn")
    children = psutil.Process(started.pid).children(recursive=True)
    state = process.stop(folder, clean=0.2, terminate=0.2)
    assert state.state == "stopped"
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_stopping_what_has_ended_changes_nothing(folder: Path) -> None:
    launch(folder, "finish")
    end(folder)
    assert process.stop(folder).state == "finished"


def test_the_training_process_is_offline_and_has_none_of_our_secrets(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MADSAFE_SECRET_KEY", "x" * 60)
    launch(folder, "finish")
    end(folder)
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["HF_HUB_OFFLINE"] == environment["LLAMABOARD_ENABLED"] == environment["OMP_NUM_THREADS"] == "1"
    assert not [name for name in environment if name.startswith("MADSAFE_")]


def checkpoint(output: Path, step: int, state: str | None = None) -> Path:
    path = output / f"checkpoint-{step}"
    path.mkdir(parents=True)
    if state != "":
        (path / "trainer_state.json").write_text(state or json.dumps({"global_step": step}))
    return path


def test_resuming_takes_the_last_whole_checkpoint_and_removes_broken_ones(tmp_path: Path) -> None:
    output = tmp_path / "output"
    whole = [checkpoint(output, step) for step in (9, 10)]
    broken = [checkpoint(output, 11, state=""), checkpoint(output, 12, state='{"global_st')]
    assert process.prepare_resume(output) == whole[1]
    assert not any(path.exists() for path in broken)
    assert whole[0].exists()


def test_without_a_whole_checkpoint_training_begins_anew(tmp_path: Path) -> None:
    output = tmp_path / "output"
    checkpoint(output, 5, state="")
    (output / "model.safetensors").touch()
    assert process.prepare_resume(output) is None
    assert not output.exists()


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (
            "Traceback ...\nValueError: Template llama33 does not exist.\n",
            "ValueError: Template llama33 does not exist.",
        ),
        (
            "pyarrow.lib.ArrowInvalid: JSON parse error\n\ndatasets.exceptions.DatasetGenerationError: An error\n",
            "pyarrow.lib.ArrowInvalid: JSON parse error | datasets.exceptions.DatasetGenerationError: An error",
        ),
        (
            "[rank1]: torch.OutOfMemoryError: CUDA\nsubprocess.CalledProcessError: Command torchrun\n",
            "[rank1]: torch.OutOfMemoryError: CUDA",
        ),
        (" 10%|#  | 1/10\rRuntimeError: disk\n", "RuntimeError: disk"),
        ("all quiet\n", "The training process failed and left no error line: see train.log."),
    ],
)
def test_the_useful_error_line_is_found(tmp_path: Path, log: str, message: str) -> None:
    (tmp_path / "train.log").write_text(log)
    assert process.error_message(tmp_path / "train.log") == message


def prepare_real(folder: Path, **settings: float) -> Path:
    """A folder ready to train the tiny model on 150 rows: 90 steps, a checkpoint every 15."""
    if preflight.cli_command() is None:
        pytest.skip("LLaMA-Factory is not installed here.")
    kinds, places = ("规则", "历史", "天气"), ("公园", "学校", "图书馆", "车站", "市场")
    rows = [
        {
            "instruction": f"请介绍{place}{number}的{kind}。",
            "input": "",
            "output": f"{place}的{kind}很简单，请先看说明。",
        }
        for number in range(10)
        for kind in kinds
        for place in places
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "export.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    config = TrainingConfig(
        str(tiny_model()),
        cutoff_len=256,
        accumulation=5,
        learning_rate=5e-3,
        epochs=3.0,
        save_strategy="steps",
        save_steps=15,
    )
    return write(folder, config, folder / "export.json").yaml


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    process.launch(folder, prepare_real(folder))
    wait_until(lambda: not process.busy(folder))
    return folder


@pytest.mark.slow
def test_training_teaches_the_tiny_model(trained: Path) -> None:
    state = process.exit_state(trained)
    assert (state.state, state.steps) == ("finished", 90), state.message
    points, _ = read(trained / "output" / "trainer_log.jsonl")
    assert points[-1].loss < 0.95 * points[0].loss
    assert model_sha256(trained / "output") != model_sha256(tiny_model())


@pytest.mark.slow
def test_a_killed_training_resumes_and_ends_where_an_undisturbed_one_does(trained: Path, tmp_path: Path) -> None:
    config = prepare_real(tmp_path)
    started = process.launch(tmp_path, config)
    wait_until(lambda: (tmp_path / "output" / "checkpoint-30" / "trainer_state.json").exists())
    os.killpg(started.pid, signal.SIGKILL)
    wait_until(lambda: not process.busy(tmp_path))
    assert process.exit_state(tmp_path).state == "lost"
    process.launch(tmp_path, config)
    wait_until(lambda: not process.busy(tmp_path))
    assert process.exit_state(tmp_path).state == "finished"
    assert "Resuming training from" in (tmp_path / "train.log").read_text(errors="replace")
    whole, resumed = (read(folder / "output" / "trainer_log.jsonl")[0] for folder in (trained, tmp_path))
    assert [point.step for point in resumed] == list(range(1, 91))
    assert [point.loss for point in resumed] == [point.loss for point in whole]


@pytest.mark.slow
def test_a_training_asked_to_stop_saves_its_model_and_can_go_on(tmp_path: Path) -> None:
    config = prepare_real(tmp_path)
    process.launch(tmp_path, config)
    wait_until(lambda: (tmp_path / "output" / "checkpoint-15" / "trainer_state.json").exists())
    state = process.stop(tmp_path)
    assert (state.state, state.returncode) == ("stopped", 0)
    assert 15 <= state.steps < 90
    assert (tmp_path / "output" / "model.safetensors").exists()
    process.launch(tmp_path, config)
    wait_until(lambda: not process.busy(tmp_path))
    assert process.exit_state(tmp_path).state == "finished"
