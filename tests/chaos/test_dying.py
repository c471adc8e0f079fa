"""A process that is to kill itself soon works no further, however late the kill comes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.chaos import dying
from tests.helpers.installation import installed

pytestmark = pytest.mark.slow
COMMITS = """
import django
django.setup()
from contextlib import nullcontext
from tests.chaos import dying
from madsafe_web.core.runs.job import Job
Job.commit = lambda job: nullcontext()
dying.after_commits(2, 0.2)
for number in range(1, 1_000_000):
    print(number, flush=True)
    with Job.commit(None):
        pass
"""


def test_no_more_than_a_few_commits_are_made_before_the_kill(tmp_path: Path) -> None:
    with installed(tmp_path / "one", DJANGO_SETTINGS_MODULE="madsafe_web.settings") as place:
        done = place.start("-c", COMMITS).wait(60)
    assert done.code == -signal.SIGKILL, done.err
    assert int(done.out.split()[-1]) <= 2 + dying.FURTHER
