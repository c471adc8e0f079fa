"""For the processes that the tests start to kill: they kill themselves, so that none is done before it is killed."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Timer
from typing import Any

from madsafe_web.core.runs.job import Job, Progress

FURTHER = 3  # commits that may come before the kill; on a busy machine its thread would come late, after all the work


def after_commits(commits: int, seconds: float) -> None:
    """SIGKILL so many seconds after so many commits of whole stages from now on.

    The process waits for it after a few more commits, or at its end. 0 commits are none at all.
    """
    commit, numbers = Job.commit, itertools.count(1)

    @contextmanager
    def counted(job: Job, **counts: Any) -> Iterator[Progress]:
        with commit(job, **counts) as progress:
            yield progress
        made = next(numbers)
        if made == commits:
            Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()  # no daemon: joined at the end
        if 0 < commits <= made - FURTHER:
            Event().wait()

    Job.commit = counted  # type: ignore[assignment, method-assign]
