"""Runs over the API: made, started, steered, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from madsafe_web.core.models import Chunk, Run
from tests.api.calls import Program, fields, problem, rows, verbs
from tests.factories import make_corpus, make_prompts, make_run

S = Run.State


def created(program: Program, stage: str = "label", **values: Any) -> int:
    response = program.send("runs/", {"stage": stage, **values})
    assert response.status_code == 201, response.content
    return int(response.json()["id"])


def test_a_run_is_made_with_the_defaults_of_its_stage(lead_api: Program) -> None:
    run = lead_api.ask(f"runs/{created(lead_api)}/").json()
    assert (run["state"], run["params"]["roles"]) == ("draft", ["alignment", "benchmark"])
    assert run["started_by"] == "lead_program"


def test_a_run_is_started_at_once_when_asked(lead_api: Program) -> None:
    make_prompts(3)
    run = Run.objects.get(pk=created(lead_api, start=True))
    assert (run.state, run.total) == (S.QUEUED, 3)
    assert verbs() == ["run.create", "run.start"]


@pytest.mark.parametrize(
    ("stage", "params", "field"),
    [
        ("deduplicate", {"nosuch": 1}, "params.nosuch"),
        ("deduplicate", {"threshold": "much"}, "params.threshold"),
        ("deduplicate", {"threshold": "nan"}, "params.threshold"),
        ("sample_general", {"count": 1e30}, "params.count"),
        ("label", {"roles": "alignment"}, "params.roles"),
        ("merge", {"decide": "dice"}, "params.decide"),
    ],
)
def test_a_parameter_that_the_stage_does_not_take_is_named(
    lead_api: Program, stage: str, params: dict[str, Any], field: str
) -> None:
    assert fields(lead_api.send("runs/", {"stage": stage, "params": params}), 422) == {field}


@pytest.mark.parametrize("stage", ["import", "train"])
def test_a_stage_with_an_address_of_its_own_is_not_started_here(lead_api: Program, stage: str) -> None:
    assert fields(lead_api.send("runs/", {"stage": stage})) == {"stage"}


def test_a_run_that_lacks_what_it_reads_fails_with_the_reason(lead_api: Program) -> None:
    pk = created(lead_api, "evaluate")
    told = problem(lead_api.send(f"runs/{pk}/start/"), 409)
    assert told["state"] == "failed"
    run = Run.objects.get(pk=pk)
    assert (run.state, run.error) == (S.FAILED, told["detail"])


def test_a_run_is_paused_resumed_and_ended(lead_api: Program) -> None:
    make_prompts(1)
    pk = created(lead_api, start=True)
    assert lead_api.send(f"runs/{pk}/pause/").json()["state"] == "paused"
    assert lead_api.send(f"runs/{pk}/resume/").json()["state"] == "queued"
    assert lead_api.send(f"runs/{pk}/cancel/").json()["state"] == "cancelled"
    assert verbs() == ["run.create", "run.start", "run.pause", "run.resume", "run.cancel"]


@pytest.mark.parametrize("verb", ["start", "pause", "resume", "cancel"])
def test_a_run_that_has_ended_is_left_alone(lead_api: Program, verb: str) -> None:
    run = make_run(state=S.DONE)
    assert problem(lead_api.send(f"runs/{run.pk}/{verb}/"), 409)["state"] == "done"


def test_progress_counts_what_was_read(lead_api: Program) -> None:
    run = make_run(state=S.RUNNING, total=10)
    Chunk.objects.create(run=run, seq=0, subjects=[], read=4, kept=3, failed=1)
    shown = lead_api.ask(f"runs/{run.pk}/").json()
    assert (shown["share"], shown["counts"]["kept"], shown["counts"]["failed"]) == (0.4, 3, 1)


def test_only_who_may_run_gets_the_rows_of_a_dry_run(lead_api: Program, annotator_api: Program) -> None:
    run = make_run("dry_run", outputs={"total": 3, "rows": [{"value": "unsafe"}]}, params={"stage": "label"})
    assert annotator_api.ask(f"runs/{run.pk}/").json()["outputs"] == {"total": 3}
    assert lead_api.ask(f"runs/{run.pk}/").json()["outputs"]["rows"] == [{"value": "unsafe"}]


def test_the_list_is_filtered(lead_api: Program) -> None:
    wanted = make_run("suggest", S.FAILED)
    make_run("suggest")
    make_run("label", S.FAILED)
    assert [row["id"] for row in rows(lead_api.ask("runs/", stage="suggest", state="failed"))] == [wanted.pk]


def test_the_list_costs_the_same_for_many(lead_api: Program, django_assert_num_queries: Any) -> None:
    lead_api.ask("runs/")
    for _ in range(5):
        make_run()
    with django_assert_num_queries(3):  # token, runs, counts
        assert len(rows(lead_api.ask("runs/"))) == 5


def test_every_stage_tells_its_parameters(lead_api: Program) -> None:
    found = {row["stage"]: row for row in rows(lead_api.ask("stages/"))}
    assert found["deduplicate"]["params"]["properties"]["threshold"]["default"] == 0.7
    assert found["train"]["started_at"] == "/api/v1/trainings/"


def test_who_may_not_run_is_refused_before_the_body_is_read(annotator_api: Program) -> None:
    make_corpus()
    problem(annotator_api.generic("POST", "/api/v1/runs/", b"{", "application/json"), 403)
