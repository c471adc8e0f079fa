"""Sets, trainings and results over the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from madsafe_web.core.models import AuditEvent, Run
from pipeline.models import AlignmentSet
from tests.api.calls import Program, fields, problem, rows, verbs
from tests.evaluation.test_results import evaluated
from tests.factories import make_endpoint
from tests.pipeline.sets import made_set, training_run

JUDGED = [("OFF", "unsafe", "safe"), ("OFF", "uncertain", "safe"), ("IA", "unsafe", "safe"), ("IA", "safe", "safe")]


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def test_a_set_tells_what_it_holds(lead_api: Program) -> None:
    made = made_set()
    (line,) = rows(lead_api.ask("sets/"))
    detail = lead_api.ask(f"sets/{made.pk}/").json()
    assert line["id"] == made.pk
    assert (line["safety"], line["general"]) == (detail["safety"], detail["general"])
    assert detail["safety"] == made.samples.filter(kind="safety").count() > 0
    assert (detail["files"], detail["run"]) == ([], made.run_id)


def test_a_file_is_fetched_and_noted(lead_api: Program, var: Path) -> None:
    made = made_set()
    (var / "export").mkdir()
    (var / "export" / f"set-{made.pk}.jsonl").write_bytes(b"{}\n")
    response = lead_api.ask(f"sets/{made.pk}/files/export/")
    assert b"".join(response.streaming_content) == b"{}\n"
    assert f"set-{made.pk}.jsonl" in response.headers["Content-Disposition"]
    event = AuditEvent.objects.get()
    assert (event.verb, event.subject) == ("set.download", f"set {made.pk}")
    assert (event.facts["file"], event.facts["rows"]) == (f"set-{made.pk}.jsonl", 1)


@pytest.mark.parametrize("kind", ["export", "card", "nosuch", "..", "%2e%2e"])
def test_a_file_that_is_not_there_is_not_found(lead_api: Program, kind: str) -> None:
    AlignmentSet.objects.filter(pk=(made := made_set()).pk).update(file="")
    problem(lead_api.ask(f"sets/{made.pk}/files/{kind}/"), 404)
    assert not AuditEvent.objects.exists()


def test_an_annotator_fetches_no_file(annotator_api: Program) -> None:
    problem(annotator_api.ask(f"sets/{made_set().pk}/files/export/"), 403)


def test_a_training_tells_its_loss(lead_api: Program) -> None:
    run = training_run("done", made_set(), points=3)
    shown = lead_api.ask(f"trainings/{run.pk}/").json()
    assert [point["step"] for point in shown["points"]] == sorted(point["step"] for point in shown["points"])
    assert (len(shown["points"]), shown["loss"]) == (3, shown["points"][-1]["loss"])
    assert rows(lead_api.ask("trainings/", state="done"))[0]["id"] == run.pk


@pytest.mark.parametrize(
    ("values", "field"),
    [({"epochs": 0}, "epochs"), ({"batch": 1.5}, "batch"), ({"template": "a b"}, "template"), ({"path": "x"}, "path")],
)
def test_a_setting_that_cannot_be_used_is_named(lead_api: Program, values: dict[str, Any], field: str) -> None:
    training_run("done", made_set())
    assert field in fields(lead_api.send("trainings/", values))


def test_what_stands_in_the_way_of_a_training_is_told(lead_api: Program) -> None:
    training_run("done", made_set())
    make_endpoint("base", "", backend="transformers", model="nosuch")
    told = problem(lead_api.send("trainings/"), 422)
    assert told["detail"]
    assert Run.objects.filter(stage="train").count() == 1


def test_a_training_is_launched_and_stopped(lead_api: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    training_run("done", made_set())
    make_endpoint("base", "", backend="tiny_llama")
    monkeypatch.setattr("pipeline.launching.problems", lambda *_: [])
    response = lead_api.send("trainings/", {"epochs": 2})
    assert response.status_code == 201, response.content
    run = Run.objects.get(pk=response.json()["id"])
    assert (run.stage, run.state, run.params["epochs"]) == ("train", "queued", 2.0)
    assert lead_api.send(f"trainings/{run.pk}/stop/").json()["state"] == "cancelled"
    problem(lead_api.send(f"trainings/{run.pk}/stop/"), 409)
    assert verbs() == ["run.create", "training.launch", "run.cancel", "training.stop"]


def test_results_come_with_bounds_and_without_a_score_while_verdicts_are_open(lead_api: Program) -> None:
    evaluated("new_safety", JUDGED)
    (found,) = rows(lead_api.ask("results/"))
    assert found["benchmark"] == "new_safety"
    total = found["total"]
    assert (total["base"], total["open"]) == (None, 1)
    assert 0 <= total["base_low"] <= total["base_high"] <= 1
    detail = lead_api.ask("results/new_safety/").json()
    assert [row["category"] for row in detail["categories"]] == ["IA", "OFF"] or len(detail["categories"]) == 2
    assert detail["total"] == total


def test_before_the_first_evaluation_there_are_no_results(lead_api: Program) -> None:
    assert lead_api.ask("results/").json() == {"run": None, "results": []}
    problem(lead_api.ask("results/safetybench/"), 404)


@pytest.mark.parametrize(("path", "queries"), [("sets/", 3), ("trainings/", 2)])
def test_a_list_costs_the_same_for_many(
    lead_api: Program, django_assert_num_queries: Any, path: str, queries: int
) -> None:
    training_run("done", made_set(), points=2)
    lead_api.ask(path)
    with django_assert_num_queries(queries):
        assert rows(lead_api.ask(path))
