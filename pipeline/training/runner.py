"""The detached parent of one training process: `python -m pipeline.training.runner FOLDER YAML LOCK THREADS OFFSET`.

It outlives the worker that launched it, so somebody is there to learn the exit status and to write it down.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import psutil

from pipeline.training.preflight import cli_command, cli_python, torchaudio_stand_in

SECRET_PREFIXES = ("MADSAFE_", "DATABASE_", "CELERY_", "DJANGO_")
SECRET_WORDS = re.compile(r"(^|_)(KEYS?|TOKENS?|SECRETS?)($|_)|PASSWORD", re.IGNORECASE)  # keys of endpoints, above all
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
STRAGGLERS_SECONDS = 600.0  # ranks of a stopped multi-GPU run still save after torchrun has gone


def main(arguments: list[str]) -> int:
    """Train, then write exit.json. Returns the exit status of the training command."""
    folder, config = Path(arguments[0]), Path(arguments[1])
    lock, threads, log_offset = (int(argument) for argument in arguments[2:5])
    # Signals go to the whole group; this process must outlive them. A handler, unlike "ignore", is not inherited.
    for number in (signal.SIGABRT, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stay)
    write_process(folder, os.getpid(), log_offset)  # the launcher may have been killed before it could
    started = time.time()
    code = _train(folder, config, lock, threads)
    _wait_for_group()
    shutil.rmtree(folder / "cache", ignore_errors=True)
    write_json(folder / "exit.json", {"returncode": code, "started": started, "ended": time.time()})
    return code


def write_json(path: Path, value: dict[str, float | int | str]) -> None:
    """Write a small JSON file so that a reader sees all of it or none."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(value), encoding="utf-8")
    os.replace(unfinished, path)


def write_process(folder: Path, pid: int, log_offset: int) -> float:
    """Record the runner's process; its start time in seconds since 1970, 0.0 when it has ended already."""
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0
    write_json(folder / "process.json", {"pid": pid, "started": started, "log_offset": log_offset})
    return float(started)


def child_environment(folder: Path, threads: int, stand_in: Path | None) -> dict[str, str]:
    """Offline, without our own settings and secrets, with the switch that makes SIGABRT a clean stop."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(SECRET_PREFIXES) and not SECRET_WORDS.search(name)
    }
    board = folder / "board"
    board.mkdir(exist_ok=True)
    paths = [str(stand_in or ""), kept.get("PYTHONPATH", "")]
    return {
        **kept,
        **OFFLINE,
        "HF_DATASETS_CACHE": str(folder / "cache"),
        "LLAMABOARD_ENABLED": "1",
        "LLAMABOARD_WORKDIR": str(board),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONUNBUFFERED": "1",
    }


def _stay(_number: int, _frame: FrameType | None) -> None:
    """Nothing to do: the training process got the same signal."""


def _train(folder: Path, config: Path, lock: int, threads: int) -> int:
    command = cli_command()
    if command is None:
        print("FileNotFoundError: LLaMA-Factory is not installed.", file=sys.stderr, flush=True)
        return 127
    environment = child_environment(folder, threads, torchaudio_stand_in(cli_python(command)))
    # The lock goes along: the folder counts as busy until the last training process has ended.
    return subprocess.Popen(
        [*command, "train", str(config)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        pass_fds=(lock,),
    ).wait()


def _wait_for_group() -> None:
    deadline = time.monotonic() + STRAGGLERS_SECONDS
    while time.monotonic() < deadline and any(_in_group(process) for process in psutil.process_iter()):
        time.sleep(0.5)


def _in_group(process: psutil.Process) -> bool:
    try:
        if process.pid == os.getpid() or os.getpgid(process.pid) != os.getpgrp():
            return False
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except (ProcessLookupError, psutil.Error):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
