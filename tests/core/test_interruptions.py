"""What is left of the work on a run when the database goes away in the middle of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from madsafe_web.core.llm.base import Call, Reply
from madsafe_web.core.models import Generation, Run
from madsafe_web.core.runs import rows, service, usage, worker
from madsafe_web.core.runs.hand import Hand
from tests.core.test_usage import Served, asking  # noqa: F401  # a fixture
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)
S = Run.State
Commit = Callable[[], Any]
Put = Callable[[Callable[[Commit], None]], None]


class Late(Served):
    """Answers the last row of each chunk only after the interruption, so that no chunk is done before it."""

    happened = threading.Event()

    async def complete(self, call: Call) -> Reply:
        if call.messages[0].content.endswith("9"):
            await asyncio.to_thread(Late.happened.wait, 20)
        return await super().complete(call)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts a function in the place of the first transaction of a worker, which it is given."""
    transaction = Hand._transaction
    Late.happened.clear()
    monkeypatch.setattr(rows, "backend_for", lambda row: Late())

    def put(instead: Callable[[Commit], None]) -> None:
        def once(hand: Hand, *arguments: Any) -> None:
            monkeypatch.setattr(Hand, "_transaction", transaction)
            try:
                instead(lambda: transaction(hand, *arguments))
            finally:
                Late.happened.set()

        monkeypatch.setattr(Hand, "_transaction", once)

    return put


def without_an_answer(commit: Commit) -> None:
    commit()
    raise OperationalError("server closed the connection unexpectedly")


def on_a_broken_connection(commit: Commit) -> None:
    if connection.vendor == "postgresql":
        connection.connection.close()
        commit()
    raise OperationalError("database is locked")


def begun() -> Run:
    """A run of 20 rows whose worker met a database that went away."""
    make_endpoint()
    run = service.run_create(stage_name="asking", values={})
    assert service.run_start(run)
    with pytest.raises(OperationalError):
        worker.work_on(run.pk)
    return run


def test_replies_whose_commit_was_not_answered_are_counted_once(interrupted: Put) -> None:
    interrupted(without_an_answer)
    run = begun()
    assert (Generation.objects.count(), usage.spent(run).calls) == (Served.calls, Served.calls)


def test_replies_are_stored_when_the_database_is_back_before_the_last_of_them(interrupted: Put) -> None:
    interrupted(on_a_broken_connection)
    run = begun()
    assert (Generation.objects.count(), usage.spent(run).calls) == (Served.calls, Served.calls)
    assert Served.calls


@pytest.mark.parametrize("event", [without_an_answer, on_a_broken_connection])
def test_a_run_whose_worker_met_a_database_that_went_away_goes_on_at_once(
    interrupted: Put, event: Callable[[Commit], None]
) -> None:
    interrupted(event)
    run = worker.work_on(begun().pk)
    assert (run.state, run.rows.count(), Served.calls, usage.spent(run).calls) == (S.DONE, 20, 20, 20)
