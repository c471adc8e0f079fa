"""The commands `runs` and the options of `run_pipeline` that the pages of runs have buttons for."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from madsafe_web.core.management.commands.run_pipeline import prepared
from madsafe_web.core.models import Chunk, Run, RunNotice
from madsafe_web.core.runs import chain
from madsafe_web.core.runs.budget import Limits
from madsafe_web.core.runs.drafts import limits_of
from madsafe_web.core.runs.service import run_create
from tests.factories import make_run, make_user

pytestmark = pytest.mark.django_db
S = Run.State


def called(*words: object) -> list[Any]:
    """What the command printed, each line read as JSON."""
    out = StringIO()
    call_command("runs", *map(str, words), stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def run(db: None) -> Run:
    """A run that is done; row 1 timed out, row 2 was not understood."""
    params = run_create(stage_name="label", values={}).params
    found = make_run(state=S.DONE, total=2, params=params)
    Chunk.objects.create(run=found, seq=0, subjects=["1", "2"], read=2, failed=2, state=Chunk.State.DONE)
    found.rows.create(subject="1", outcome="error", error_class="timeout")
    found.rows.create(subject="2", outcome="unparsed")
    return found


def test_failed_rows_of_a_class_are_queued(run: Run) -> None:
    assert called("retry", run.pk, "--kind", "timeout") == [{"run": run.pk, "rows": 1}]
    run.refresh_from_db()
    assert (run.state, run.rows.get().subject) == (S.QUEUED, "2")


def test_stored_replies_are_queued_to_be_read_again(run: Run) -> None:
    assert called("reread", run.pk) == [{"run": run.pk, "rows": 1}]
    assert run.trails.get().once == "read"


def test_without_such_rows_it_says_so(run: Run) -> None:
    with pytest.raises(CommandError, match="has no such failed row"):
        called("retry", run.pk, "--kind", "nosuch")


def test_a_run_is_cloned(run: Run) -> None:
    (made,) = called("clone", run.pk)
    assert Run.objects.get(pk=made["run"]).state == S.DRAFT


def test_a_budget_is_changed_where_it_is_named_and_told(run: Run) -> None:
    called("budget", run.pk, "--calls", 5, "--money", "1.5")
    (now,) = called("budget", run.pk, "--tokens", 7, "--calls", "none", "--deadline", "2031-01-02 03:04")
    assert now["deadline"] == "2031-01-02T03:04:00+00:00"
    run.refresh_from_db()
    assert limits_of(run) == Limits(tokens=7, cost=1_500_000)


@pytest.mark.parametrize("words", [("--calls", "many"), ("--calls", "-1"), ("--deadline", "soon")])
def test_a_budget_that_cannot_be_read_is_refused(run: Run, words: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        called("budget", run.pk, *words)


def test_a_deadline_that_cannot_be_read_leaves_the_budget_as_it_was(run: Run) -> None:
    with pytest.raises(CommandError, match="is no deadline"):
        called("budget", run.pk, "--calls", 5, "--deadline", "soon")
    run.refresh_from_db()
    assert limits_of(run) == Limits()


def test_the_budget_of_a_run_in_work_stays(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(state=S.RUNNING)
    with pytest.raises(CommandError, match="pause it first"):
        called("budget", run.pk, "--calls", 5)


def test_notices_are_told_and_marked_as_seen(run: Run) -> None:
    RunNotice.objects.create(user=make_user("a lead", "lead"), run=run, state=S.DONE)
    (told,) = called("--as", "a lead", "notices", "--seen")
    assert (told["run"], told["state"], told["seen"]) == (run.pk, "done", False)
    assert RunNotice.objects.get().seen


def test_whose_notices_has_to_be_said() -> None:
    with pytest.raises(CommandError, match="--as"):
        called("notices")


def test_an_unknown_run_is_named() -> None:
    with pytest.raises(CommandError, match="There is no run 99"):
        called("clone", 99)


@pytest.mark.parametrize(("option", "once"), [("retry_failed", "ask"), ("reread", "read")])
def test_a_chain_works_on_failed_rows_once_more_when_told(run: Run, tmp_path: Path, option: str, once: str) -> None:
    file = tmp_path / "chain.yaml"
    file.write_text("stages: [label]\n", encoding="utf-8")
    Run.objects.filter(pk=run.pk).update(chain=chain.read(file).identity, step=1)
    none = {"config": file, "deadline": None, "retry_failed": False, "reread": False}
    (found,) = prepared({**none, option: True}, None)
    assert (found.state, found.trails.get().once) == (S.QUEUED, once)


def test_the_deadline_of_the_command_comes_before_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "chain.yaml"
    file.write_text("deadline: 1m\nstages: [label]\n", encoding="utf-8")
    options = {"config": file, "deadline": "2031-01-02 03:04", "retry_failed": False, "reread": False}
    (found,) = prepared(options, None)
    assert found.deadline and found.deadline.isoformat() == "2031-01-02T03:04:00+00:00"
