"""Starts, watches, stops and judges one LLaMA-Factory process in a folder that holds all there is to know about it.

Files: train.yaml, dataset/ (config.py); output/ (model, checkpoints, trainer_log.jsonl); train.log; process.json (pid,
start); stop.json (somebody asked to stop); exit.json (written by the runner at the end); run.lock (held while it runs).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from pipeline.training.runner import write_json, write_process

ROOT = Path(__file__).resolve().parents[2]
# Start times come from the boot time, which a clock correction may move a little between two processes.
START_TOLERANCE = 2.0
CHECKPOINT = re.compile(r"checkpoint-(\d+)")
ERROR_LINE = re.compile(r"^(?:\[rank\d+\]:\s*)?(?:\w+\.)*\w+(?:Error|Exception|Interrupt|Invalid)\b.*")
ROOT_CAUSES = ("ArrowInvalid", "HFValidationError")  # the last error line hides these

WRAPPERS = ("CalledProcessError", "ChildFailedError")  # torchrun's word for "a rank failed", after the rank's own line

State = Literal["running", "finished", "stopped", "failed", "lost"]
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class Process:
    """A process that is not mistaken for another one that got its number later. `started` in seconds since 1970."""

    pid: int
    started: float


@dataclass(frozen=True, slots=True)
class ExitState:
    """How a run stands. `lost`: it ended without a word and nobody asked it to. Steps are 0 before the first save."""

    state: State
    message: str = ""
    returncode: int | None = None
    steps: int = 0
    total_steps: int = 0


class LaunchRefused(RuntimeError):
    """The folder has a training process already, or its training is finished."""


def launch(folder: Path, config: Path, *, threads: int = 1) -> Process:
    """Start training detached from this process; goes on from the last whole checkpoint where there is one.

    Raises LaunchRefused while a process of this folder lives and when its training is finished, so that two launches,
    even at the same moment, never train twice.
    """
    folder, config = folder.resolve(), config.resolve()
    lock = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _lock_soon(lock):
            raise LaunchRefused(f"A training process is at work in {folder}.")
        if exit_state_of_ended(folder).state == "finished":
            raise LaunchRefused(f"The training in {folder} is finished.")
        prepare_resume(folder / "output")
        for name in ("exit.json", "stop.json", "process.json"):
            (folder / name).unlink(missing_ok=True)
        with (folder / "train.log").open("ab") as log:
            offset = log.tell()
            # The runner inherits the lock, so there is no moment at which the folder looks free.
            child = subprocess.Popen(
                [sys.executable, "-m", "pipeline.training.runner", str(folder), str(config)]
                + [str(number) for number in (lock, threads, offset)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock,),
            )
    finally:
        os.close(lock)
    _children[child.pid] = child
    return Process(child.pid, write_process(folder, child.pid, offset))


def alive(pid: int, started: float) -> bool:
    """Whether that very process still runs; a zombie does not."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        _children.pop(pid, None)
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > START_TOLERANCE:
            return False
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def busy(folder: Path) -> bool:
    """Whether any training process of this folder lives, even one whose runner was killed."""
    try:
        lock = os.open(folder / "run.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _lock(lock)
    finally:
        os.close(lock)


def stop(folder: Path, *, clean: float = 60.0, terminate: float = 10.0, poll: float = 0.1) -> ExitState:
    """Ask the group to save and stop; after `clean` seconds terminate it, after `terminate` more kill it.

    A run that has ended already stays what it is. Blocks until nothing of the run lives.
    """
    if busy(folder):
        write_json(folder / "stop.json", {"asked": time.time()})
    for number, seconds in ((signal.SIGABRT, clean), (signal.SIGTERM, terminate), (signal.SIGKILL, 10.0)):
        record = _json(folder / "process.json")
        if record is None or not busy(folder):
            break
        # While anything of the group lives (busy), its number cannot belong to another one.
        with suppress(ProcessLookupError):
            os.killpg(int(record["pid"]), number)
        deadline = time.monotonic() + seconds
        while busy(folder) and time.monotonic() < deadline:
            time.sleep(poll)
        alive(int(record["pid"]), float(record["started"]))  # collects the exit status of a child of our own
    return exit_state(folder)


def stop_asked(folder: Path) -> bool:
    """Whether somebody asked the last process of this folder to stop."""
    return (folder / "stop.json").exists()


def exit_state(folder: Path) -> ExitState:
    """Running, or how it ended, from the files alone: the same answer after a restart of everything else."""
    return ExitState("running") if busy(folder) else exit_state_of_ended(folder)


def exit_state_of_ended(folder: Path) -> ExitState:
    """As `exit_state`, for a folder known to be at rest."""
    record, asked = _json(folder / "exit.json"), stop_asked(folder)
    state = _json(folder / "output" / "trainer_state.json") or {}
    steps, total = int(state.get("global_step", 0)), int(state.get("max_steps", 0))
    if record is None:
        if asked:
            return ExitState("stopped", "Stopped by force.", None, steps, total)
        return ExitState("lost", "The training process ended without a word.", None, steps, total)
    code = int(record["returncode"])
    # A clean stop also exits with 0: only the steps tell it from the end.
    if code == 0 and 0 < total <= steps:
        return ExitState("finished", "", code, steps, total)
    if asked or code == 0:
        return ExitState("stopped", f"Stopped after {steps} of {total} steps.", code, steps, total)
    offset = int((_json(folder / "process.json") or {}).get("log_offset", 0))
    return ExitState("failed", error_message(folder / "train.log", offset), code, steps, total)


def error_message(log: Path, offset: int = 0) -> str:
    """The last error line of a log, and before it the root cause that it hides; a plain sentence when there is none."""
    cause = last = ""
    for line in _lines(log, offset):
        if not ERROR_LINE.match(line) or (last and any(name in line for name in WRAPPERS)):
            continue
        last = line
        if not cause and any(name in line for name in ROOT_CAUSES):
            cause = line
    if not last:
        return "The training process failed and left no error line: see train.log."
    return last if cause in ("", last) else f"{cause} | {last}"


def prepare_resume(output: Path) -> Path | None:
    """Remove checkpoints that a kill or a full disk left half written; the newest whole one, or None.

    Without any checkpoint the output folder goes: LLaMA-Factory refuses a folder with a model and no checkpoint.
    """
    whole: dict[int, Path] = {}
    for folder in output.glob("checkpoint-*"):
        match = CHECKPOINT.fullmatch(folder.name)
        state = _json(folder / "trainer_state.json")
        if match and state is not None and state.get("global_step") == int(match[1]):
            whole[int(match[1])] = folder
        else:
            shutil.rmtree(folder)
    if whole:
        return whole[max(whole)]
    if output.exists():
        shutil.rmtree(output)
    return None


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_soon(descriptor: int) -> bool:
    """As `_lock`, patient with a reader that holds the lock for the moment of `busy`."""
    for _ in range(5):
        if _lock(descriptor):
            return True
        time.sleep(0.05)
    return False


def _json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None when it is missing or not whole."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _lines(log: Path, offset: int) -> Iterator[str]:
    """Lines after `offset`; a progress bar's carriage returns end lines too."""
    if not log.is_file():
        return
    with log.open("rb") as file:
        file.seek(offset)
        for raw in file:
            yield from raw.decode("utf-8", "replace").replace("\r", "\n").splitlines()
