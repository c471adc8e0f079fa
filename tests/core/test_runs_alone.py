"""A run that has to be alone: of two starts at the same moment only one comes through."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from madsafe_web.core.models import Run
from madsafe_web.core.runs import service

pytestmark = pytest.mark.django_db(transaction=True)
S = Run.State


def drafts() -> tuple[Run, Run]:
    """A run that has to be alone, and another one."""
    return (
        service.run_create(stage_name="withdraw", values={"corpus": 1}),
        service.run_create(stage_name="deduplicate", values={}),
    )


def test_a_run_that_has_to_be_alone_does_not_start_beside_another() -> None:
    alone, other = drafts()
    assert service.run_start(other)
    assert not service.run_start(alone)
    alone.refresh_from_db()
    assert "has to be alone" in alone.error


@pytest.mark.parametrize("first", ["alone", "other"])
def test_of_two_starts_at_the_same_moment_the_later_one_is_refused(first: str) -> None:
    alone, other = drafts()
    earlier, later = (alone, other) if first == "alone" else (other, alone)
    waiting = threading.Event()
    answers: list[bool] = []
    with transaction.atomic():
        assert service.run_start(earlier)
        thread = threading.Thread(target=start, args=(later, answers.append, waiting))
        thread.start()
        waiting.wait(10)
        thread.join(0.5)  # it has to wait for the end of this transaction, however long that takes
        assert thread.is_alive()
    thread.join(30)
    assert answers == [False]
    assert sorted(Run.objects.values_list("state", flat=True)) == [S.FAILED, S.QUEUED]


def start(run: Run, answer: Callable[[bool], None], begun: threading.Event) -> None:
    begun.set()
    try:
        answer(service.run_start(run))
    finally:
        connection.close()
