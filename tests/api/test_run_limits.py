"""Budgets, deadlines, clones and notices over the API, with the rights that the pages ask for."""

from __future__ import annotations

from typing import Any

import pytest

from madsafe_web.core.models import Run, RunNotice
from madsafe_web.core.runs.budget import Limits
from madsafe_web.core.runs.drafts import limits_of
from madsafe_web.core.runs.service import run_create
from tests.api.calls import Program, fields, problem, rows, verbs
from tests.factories import make_run, make_user

pytestmark = pytest.mark.django_db
S = Run.State


def resting(state: str = S.OVER_BUDGET) -> Run:
    return make_run(state=state, params=run_create(stage_name="label", values={}).params)


def test_a_budget_is_set_as_a_whole(lead_api: Program) -> None:
    run = resting()
    Run.objects.filter(pk=run.pk).update(most_seconds=9)
    body = {"calls": 5, "tokens": None, "money": 1.5, "deadline": "2031-01-02T03:04:00Z"}
    shown = lead_api.send(f"runs/{run.pk}/budget/", body, method="PUT").json()
    assert shown["budget"] == {
        **{"calls": 5, "tokens": None, "money": 1.5, "seconds": None},
        "deadline": "2031-01-02T03:04:00Z",
    }
    run.refresh_from_db()
    assert limits_of(run) == Limits(calls=5, cost=1_500_000)
    assert set(verbs()) >= {"run.budget", "run.deadline"}


@pytest.mark.parametrize(("body", "field"), [({"calls": -1}, "calls"), ({"deadline": "soon"}, "deadline")])
def test_a_budget_that_cannot_be_read_is_refused(lead_api: Program, body: dict[str, Any], field: str) -> None:
    assert fields(lead_api.send(f"runs/{resting().pk}/budget/", body, method="PUT")) == {field}


def test_a_run_in_work_keeps_its_budget(lead_api: Program) -> None:
    told = problem(lead_api.send(f"runs/{resting(S.RUNNING).pk}/budget/", {"calls": 5}, method="PUT"), 409)
    assert told["state"] == "running"


def test_a_run_of_a_whole_stage_has_no_budget(lead_api: Program) -> None:
    run = make_run("deduplicate", S.PAUSED)
    problem(lead_api.send(f"runs/{run.pk}/budget/", {"calls": 5}, method="PUT"), 409)


def test_a_run_is_cloned_into_a_draft(lead_api: Program) -> None:
    made = lead_api.send(f"runs/{resting().pk}/clone/").json()
    assert (made["state"], made["stage"]) == ("draft", "label")


def test_a_run_with_a_page_of_its_own_is_not_cloned(lead_api: Program) -> None:
    problem(lead_api.send(f"runs/{make_run('train').pk}/clone/"), 409)


@pytest.mark.parametrize(("path", "method"), [("budget/", "PUT"), ("clone/", "POST")])
def test_only_a_lead_does_so(annotator_api: Program, path: str, method: str) -> None:
    problem(annotator_api.send(f"runs/{resting().pk}/{path}", {}, method=method), 403)


def test_a_run_is_made_with_a_deadline_and_a_cache_of_its_own(lead_api: Program) -> None:
    body = {"stage": "label", "deadline": "2031-01-02T03:04:00Z", "shared_cache": False}
    made = lead_api.send("runs/", body).json()
    assert (made["budget"]["deadline"], made["shared_cache"]) == ("2031-01-02T03:04:00Z", False)


def test_a_run_of_a_whole_stage_is_not_made_with_a_deadline(lead_api: Program) -> None:
    assert fields(lead_api.send("runs/", {"stage": "deduplicate", "deadline": "8h"})) == {"deadline"}
    assert not Run.objects.exists()


def test_a_run_behind_its_deadline_is_not_resumed(lead_api: Program) -> None:
    run = resting()
    lead_api.send(f"runs/{run.pk}/budget/", {"deadline": "2001-01-01T00:00:00Z"}, method="PUT")
    told = problem(lead_api.send(f"runs/{run.pk}/resume/"), 409)
    assert "has passed" in told["detail"]


def notice(user: Any) -> RunNotice:
    user.unseen = 1
    user.save()
    return RunNotice.objects.create(user=user, run=make_run(), state=S.DONE)


def test_notices_are_those_of_the_reader(lead_api: Program) -> None:
    mine, _ = notice(lead_api.user), notice(make_user("another", "lead"))
    assert [row["id"] for row in rows(lead_api.ask("notices/"))] == [mine.pk]


def test_notices_are_marked_as_seen(lead_api: Program) -> None:
    mine = notice(lead_api.user)
    assert lead_api.send("notices/seen/", {"notice": mine.pk}).json() == {"unseen": 0}
    assert rows(lead_api.ask("notices/", unseen="true")) == []


def test_the_notice_of_somebody_else_is_not_there(lead_api: Program) -> None:
    other = notice(make_user("another", "lead"))
    assert fields(lead_api.send("notices/seen/", {"notice": other.pk})) == {"notice"}
    assert not RunNotice.objects.get().seen
