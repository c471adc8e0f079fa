"""The bell that calls workers to a run."""

from __future__ import annotations

import pytest

from madsafe_web.core.models import Run
from madsafe_web.core.runs import tasks
from tests.core.test_runs import started, test_stages  # noqa: F401  # a fixture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs that were rung for."""
    runs: list[int] = []
    monkeypatch.setattr(tasks, "_ring", runs.append)
    return runs


def test_who_takes_up_a_run_of_several_parts_rings_for_another_worker(rung: list[int]) -> None:
    run = started()
    tasks.execute_run(run.pk)
    assert rung == [run.pk]


def test_nobody_is_rung_for_to_a_run_of_one_part(rung: list[int]) -> None:
    tasks.execute_run(started(rows=5).pk)
    assert rung == []


@pytest.mark.parametrize("state", ["paused", "done", "cancelling"])
def test_nobody_is_rung_for_to_a_run_that_is_not_at_work(rung: list[int], state: str) -> None:
    run = started()
    Run.objects.filter(pk=run.pk).update(state=state)
    tasks.execute_run(run.pk)
    assert rung == []
