"""A job writes nothing more where the database lost what it committed, as it may without waiting for the disk."""

from __future__ import annotations

import pytest

from madsafe_web.core.models import Chunk
from madsafe_web.core.runs import lease
from madsafe_web.core.runs.errors import LeaseLost
from madsafe_web.core.runs.job import Job
from tests.factories import make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def job() -> Job:
    run = make_run("import")
    chunk = Chunk.objects.create(run=run, seq=0, subjects=[], state=Chunk.State.LEASED, owner="me")
    return Job(run, chunk, None, lease.Heartbeat(run, "me"))


def commit(job: Job, done: int) -> None:
    with job.commit(kept=1) as made:
        made.cursor = {"done": done, "parts": (done,)}  # which JSON gives back as a list


def lose(job: Job, cursor: object) -> None:
    """What a server that failed and came back behind a pooler does."""
    Chunk.objects.filter(pk=job.chunk.pk).update(cursor=cursor, kept=0, read=0)


def stored(job: Job) -> tuple[object, int, str]:
    return Chunk.objects.values_list("cursor__done", "kept", "state").get(pk=job.chunk.pk)


def test_commits_that_all_arrived_follow_each_other(job: Job) -> None:
    commit(job, 1)
    commit(job, 2)
    assert stored(job) == (2, 2, Chunk.State.LEASED)


def test_nothing_is_committed_behind_a_commit_that_was_lost(job: Job) -> None:
    commit(job, 1)
    lose(job, {})
    with pytest.raises(LeaseLost):
        commit(job, 2)
    assert stored(job) == (None, 0, Chunk.State.LEASED)


def test_the_last_word_on_a_chunk_is_not_said_behind_a_commit_that_was_lost(job: Job) -> None:
    commit(job, 1)
    commit(job, 2)
    lose(job, {"done": 1, "parts": [1]})
    with pytest.raises(LeaseLost), job.commit(kept=0):
        pass
    with pytest.raises(LeaseLost):
        job.finish()
    assert stored(job) == (1, 0, Chunk.State.LEASED)


def test_a_chunk_is_finished_where_every_commit_arrived(job: Job) -> None:
    commit(job, 1)
    job.finish()
    assert stored(job) == (1, 1, Chunk.State.DONE)


def test_a_chunk_that_went_to_another_worker_is_not_finished(job: Job) -> None:
    Chunk.objects.filter(pk=job.chunk.pk).update(owner="another")
    with pytest.raises(LeaseLost):
        job.finish()
    assert stored(job)[2] == Chunk.State.LEASED
