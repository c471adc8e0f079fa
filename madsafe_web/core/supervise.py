"""Child processes that belong together: one that dies is started again, and all end when we are told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

MOST_RESTARTS = 5  # of one child within WINDOW_S; more means that starting again does not help
WINDOW_S = 60.0
STOP_S = 20.0
LOOK_S = 0.2


@dataclass(slots=True)
class Child:
    """A command that should be running."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    starts: deque[float] = field(default_factory=deque)

    def start(self) -> None:
        self.starts.append(time.monotonic())
        self.process = subprocess.Popen(list(self.command), env={**os.environ, **self.env})

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def may_restart(self) -> bool:
        """Whether it was started again fewer than five times in the last minute."""
        while self.starts and self.starts[0] < time.monotonic() - WINDOW_S:
            self.starts.popleft()
        return len(self.starts) <= MOST_RESTARTS


class Supervisor:
    """Runs children until a signal, or until one of them dies for good; then ends all of them."""

    def __init__(self, children: Sequence[Child], say: Callable[[str], None]) -> None:
        self.children, self.say = children, say
        self.stopping = False

    def run(self) -> int:
        """0 after a signal to stop, 1 when a child kept dying."""
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._stop)
        try:
            for child in self.children:
                child.start()
            return self._watch()
        finally:
            self._end()

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _watch(self) -> int:
        while not self.stopping:
            for child in self.children:
                if child.running:
                    continue
                code = child.process.returncode if child.process else None
                if not child.may_restart():
                    self.say(f"The {child.name} process died {MOST_RESTARTS + 1} times within a minute; stopping.")
                    return 1
                self.say(f"The {child.name} process ended with code {code}; starting it again.")
                child.start()
            time.sleep(LOOK_S)
        return 0

    def _end(self) -> None:
        for child in self.children:
            if child.process and child.running:
                child.process.terminate()
        deadline = time.monotonic() + STOP_S
        for child in self.children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
