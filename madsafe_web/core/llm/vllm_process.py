"""One process of vLLM in its own environment: JSON lines go in and come out, and nothing of it outlives us.

Threads do all that may block: one writes, one reads what it answers, one keeps the last lines of its log, one waits for
its end. It leads a process group of its own, which is killed whole when it ends, since vLLM starts others.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

SCRIPT = Path(__file__).parent / "child" / "vllm_rows.py"
LONGEST_LINE = 64 << 20
LOG_LINES, LOG_CHARACTERS = 20, 300
ERROR_LINE = re.compile(r"^(?:\(\w[^)]*\) )?(?:\w+\.)*\w+(?:Error|Exception|Interrupt)\b.*")  # vLLM names its process
# Neither our secrets nor our paths: it is another environment. A key of ours is none of its business.
SECRETS = re.compile(
    r"^(?:MADSAFE|DATABASE|CELERY|DJANGO|PYTHON)|(?:^|_)(?:KEYS?|TOKENS?|SECRETS?)(?:$|_)|PASSWORD", re.I
)
ALONE = {"DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit status, negative for a signal, and what its log says about it."""

    code: int
    why: str

    def __str__(self) -> str:
        status = f"killed by {_signal(-self.code)}" if self.code < 0 else f"exit status {self.code}"
        return f"{status}: {self.why}" if self.why else status


class Process:
    """A running process. `on_line` and `on_end` are called in threads of it, `on_end` last and once."""

    def __init__(
        self,
        python: str,
        settings: Mapping[str, Any],
        folder: Path,
        on_line: Callable[[dict[str, Any]], None],
        on_end: Callable[[Ended], None],
    ) -> None:
        """Start it; `settings` is its first line. Raises OSError where there is no such interpreter."""
        self._on_line, self._on_end = on_line, on_end
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._lock, self._reaped = threading.Lock(), False  # afterwards its number may be that of others
        self._process = subprocess.Popen(
            [python, str(SCRIPT)],
            cwd=folder,
            env=environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.send(settings)
        works = (self._write, self._read, self._follow)
        self._threads = [threading.Thread(target=work, name="vllm", daemon=True) for work in works]
        self._end = threading.Thread(target=self._wait, name="vllm", daemon=True)
        for thread in (*self._threads, self._end):
            thread.start()

    def send(self, facts: Mapping[str, Any]) -> None:
        """Give it a line; does not wait until it is read."""
        self._lines.put(json.dumps(facts).encode() + b"\n")

    def kill(self) -> None:
        """End it and what it started; `on_end` follows."""
        with self._lock, suppress(ProcessLookupError):
            if not self._reaped:
                os.killpg(self.pid, signal.SIGKILL)

    def join(self) -> None:
        """Wait until `on_end` has been called."""
        self._end.join()

    def _write(self) -> None:
        stdin = _pipe(self._process.stdin)
        with suppress(OSError):  # it is dead, which the thread that waits for it tells
            while (line := self._lines.get()) is not None:
                stdin.write(line)
                stdin.flush()
        with suppress(OSError):
            stdin.close()

    def _read(self) -> None:
        stdout = _pipe(self._process.stdout)
        while line := stdout.readline(LONGEST_LINE):
            try:
                facts = json.loads(line)
            except ValueError:  # half a line of a process that was killed, or one beyond all bounds
                break
            self._on_line(facts)
        self.kill()

    def _follow(self) -> None:
        for line in iter(lambda: _pipe(self._process.stderr).readline(LONGEST_LINE), b""):
            if text := line.decode(errors="replace").strip():
                self._log.append(text[:LOG_CHARACTERS])

    def _wait(self) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self.kill()
        with self._lock:
            code, self._reaped = self._process.wait(), True
        self._lines.put(None)
        for thread in self._threads:
            thread.join()
        self._on_end(Ended(code, self._why()))

    def _why(self) -> str:
        """The last line of its log that names an error, else the last line."""
        lines = list(self._log)
        return next((line for line in reversed(lines) if ERROR_LINE.match(line)), lines[-1] if lines else "")


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What it is started with: our environment without our secrets and our Python's settings."""
    return {**{name: value for name, value in ours.items() if not SECRETS.search(name)}, **ALONE}


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream
    return stream


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
