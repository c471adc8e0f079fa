"""Launching and stopping a training from the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from madsafe_web.core.models import AuditEvent, Endpoint, Run
from pipeline import launching
from pipeline.models import AlignmentSet
from pipeline.training.preflight import Problem
from tests.factories import Person
from tests.pipeline.sets import S, made_set, training_run

pytestmark = pytest.mark.django_db


def base(name: str = "base", backend: str = "transformers") -> Endpoint:
    return Endpoint.objects.create(name=name, backend=backend, model="no-such-folder")


def form_of(made: AlignmentSet, **changes: Any) -> dict[str, Any]:
    """What the launch page sends when nothing is changed in it."""
    fields = {name: getattr(launching.DEFAULTS, name, "") for name in launching.LaunchForm.base_fields}
    fields |= {"set": made.pk, "base_endpoint": "base", **changes}
    return {name: value for name, value in fields.items() if value is not False}


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> AlignmentSet:
    """A frozen set and a base model with which nothing is wrong."""
    monkeypatch.setattr("pipeline.training.preflight.check", lambda *_: [])
    base()
    return made_set()


@pytest.mark.parametrize("role", ["annotator", "reviewer", "admin"])
def test_only_a_lead_launches_and_stops_trainings(
    role: str, request: pytest.FixtureRequest, ready: AlignmentSet
) -> None:
    run = training_run()
    person: Person = request.getfixturevalue(role)
    assert person.get("/training/launch/").status_code == 403
    assert person.post("/training/launch/", form_of(ready)).status_code == 403
    assert person.post(f"/training/{run.pk}/stop/").status_code == 403
    assert Run.objects.filter(stage="train").count() == 1


def test_the_launch_page_begins_with_the_settings_of_the_paper(lead: Person, ready: AlignmentSet) -> None:
    answer = lead.get("/training/launch/")
    form = answer.context["form"]
    assert answer.context["problems"] == []
    assert (form["learning_rate"].value(), form["epochs"].value(), form["accumulation"].value()) == (6e-7, 3.0, 50)
    assert (form["set"].value(), form["base_endpoint"].value()) == (ready.pk, "base")


def test_a_set_named_in_the_address_is_chosen(lead: Person, ready: AlignmentSet) -> None:
    made_set("Newer")
    assert lead.get("/training/launch/", {"set": ready.pk}).context["form"]["set"].value() == ready.pk


@pytest.mark.parametrize("wanted", ["x", "-1", "99999", "9" * 40, "²"])
def test_a_set_that_does_not_exist_is_not_chosen(lead: Person, ready: AlignmentSet, wanted: str) -> None:
    assert lead.get("/training/launch/", {"set": wanted}).context["form"]["set"].value() == ready.pk


def test_without_set_and_model_the_page_says_what_is_missing(lead: Person) -> None:
    answer = lead.get("/training/launch/")
    assert [one.what for one in answer.context["problems"]] == [
        "There is no frozen alignment set.",
        "There is no model that can be trained.",
    ]
    assert '<button class="btn btn-primary" disabled>' in answer.content.decode()


def test_what_the_check_finds_is_shown_and_blocks_the_button(
    lead: Person, ready: AlignmentSet, monkeypatch: Any
) -> None:
    monkeypatch.setattr("pipeline.training.preflight.check", lambda *_: [Problem("No disk.", "Free some.")])
    text = lead.get("/training/launch/").content.decode()
    assert "No disk." in text and "Free some." in text and '<button class="btn btn-primary" disabled>' in text


def test_a_model_that_could_be_trained_at_once_is_chosen_first(
    lead: Person, ready: AlignmentSet, monkeypatch: Any
) -> None:
    def check(wanted: Any, *_: Any) -> list[Problem]:
        return [] if wanted.model == "other" else [Problem("No folder.", "Get it.")]

    monkeypatch.setattr("pipeline.training.preflight.check", check)
    Endpoint.objects.create(name="second", backend="transformers", model="other")
    answer = lead.get("/training/launch/")
    assert answer.context["form"]["base_endpoint"].value() == "second" and not answer.context["problems"]


def test_looking_at_the_launch_page_changes_nothing(lead: Person, ready: AlignmentSet) -> None:
    lead.get("/training/launch/")
    assert not Run.objects.filter(stage="train").exists() and not AuditEvent.objects.exists()


def test_launching_queues_a_run_with_the_chosen_values_and_notes_who_did_it(lead: Person, ready: AlignmentSet) -> None:
    answer = lead.post("/training/launch/", form_of(ready, epochs="2", learning_rate="1e-5"))
    run = Run.objects.get(stage="train")
    assert answer["Location"] == f"/training/{run.pk}/"
    assert (run.state, run.actor) == (S.QUEUED, lead.user)
    chosen = {name: run.params[name] for name in ("set_id", "base_endpoint", "epochs", "learning_rate", "bf16")}
    assert chosen == {"set_id": ready.pk, "base_endpoint": "base", "epochs": 2.0, "learning_rate": 1e-5, "bf16": False}
    event = AuditEvent.objects.get(verb="training.launch")
    assert (event.actor, event.facts["set"]) == (lead.user, ready.pk)


def test_launching_rings_for_a_worker(lead: Person, ready: AlignmentSet, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr("madsafe_web.core.runs.tasks.enqueue", lambda run: rung.append(run.pk))
    lead.post("/training/launch/", form_of(ready))
    assert rung == [Run.objects.get(stage="train").pk]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", "0"),
        ("learning_rate", "nan"),
        ("epochs", "inf"),
        ("batch", "0"),
        ("warmup_ratio", "1"),
        ("cutoff_len", "-5"),
        ("template", "../x"),
        ("device", "tpu"),
        ("seed", ""),
        ("set", "99"),
        ("base_endpoint", "nothing"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(lead: Person, ready: AlignmentSet, field: str, value: str) -> None:
    answer = lead.post("/training/launch/", form_of(ready, **{field: value}))
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert not Run.objects.filter(stage="train").exists()


def test_a_set_in_draft_cannot_be_chosen(lead: Person, ready: AlignmentSet) -> None:
    draft = made_set("Draft", state=AlignmentSet.State.DRAFT)
    assert lead.post("/training/launch/", form_of(draft)).status_code == 422


def test_a_served_model_cannot_be_chosen(lead: Person, ready: AlignmentSet) -> None:
    Endpoint.objects.create(name="served", backend="openai_compatible", base_url="http://127.0.0.1:1", model="m")
    assert lead.post("/training/launch/", form_of(ready, base_endpoint="served")).status_code == 422


def test_launching_with_a_problem_starts_nothing(lead: Person, ready: AlignmentSet, monkeypatch: Any) -> None:
    monkeypatch.setattr("pipeline.training.preflight.check", lambda *_: [Problem("No disk.", "Free some.")])
    answer = lead.post("/training/launch/", form_of(ready))
    assert answer.status_code == 422 and "No disk." in answer.content.decode()
    assert not Run.objects.filter(stage="train").exists()


def test_the_tiny_model_is_made_by_the_worker_and_not_by_the_page(lead: Person) -> None:
    made_set()
    base("tiny", "tiny_llama")
    answer = lead.get("/training/launch/")
    assert answer.context["problems"] == [] and not Path(settings.VAR_DIR, "models").exists()
