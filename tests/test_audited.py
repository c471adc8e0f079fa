"""What people and commands do is written down: the deeds that no other test of the audit record looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from annotation.models import Seat
from annotation.reviewing import review_undo, seat_answer, seat_claim
from madsafe_web.core.models import AuditEvent, Run
from madsafe_web.core.runs import service
from tests.evaluation.test_results import evaluated
from tests.factories import Person, make_label, make_map, make_prompts, make_queue, make_run

pytestmark = pytest.mark.django_db
CHAIN = "name: short\nstages:\n  - deduplicate\n"


def events(verb: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(verb=verb).order_by("sequence"))


def facts(verb: str) -> dict[str, Any]:
    (event,) = events(verb)
    return event.facts


# --- labels ---


def test_labels_decided_together_are_one_event_with_what_each_was_before(annotator: Person) -> None:
    prompts = make_prompts(1)
    first, second = (make_label(name, prompts) for name in ("one", "two"))
    form = {"label": first.pk, "revision": 0, "category": "CIA", "also": [f"{second.pk}:0"]}
    annotator.post(reverse("annotation:label-assign"), form)
    found = facts("label.assign")
    assert (found["target"], found["count"]) == ("CIA", 2)
    step = {"before": {"target": "", "revision": 0}, "after": {"target": "CIA", "revision": 1}}
    assert sorted(found["labels"], key=lambda one: one["label"]) == [
        {"label": label.pk, **step} for label in (first, second)
    ]


def test_a_decision_that_is_refused_is_no_event(annotator: Person) -> None:
    label = make_label("one", make_prompts(1))
    form = {"label": label.pk, "revision": 7, "category": "CIA"}
    assert annotator.post(reverse("annotation:label-assign"), form).status_code == 409
    assert not AuditEvent.objects.exists()


def test_undo_and_redo_are_events_with_both_states(annotator: Person) -> None:
    label = make_label("one", make_prompts(1))
    annotator.post(reverse("annotation:label-assign"), {"label": label.pk, "revision": 0, "category": "CIA"})
    annotator.post(reverse("annotation:label-undo"))
    annotator.post(reverse("annotation:label-redo"))
    done, undone = {"target": "CIA", "revision": 1}, {"target": "", "revision": 2}
    assert facts("label.undo")["labels"] == [{"label": label.pk, "before": done, "after": undone}]
    assert facts("label.redo")["labels"][0]["after"] == {"target": "CIA", "revision": 3}


def test_the_decisions_of_a_rule_are_told_by_their_run_alone() -> None:
    make_map({make_label("one", make_prompts(1)): "CIA"})
    assert not events("label.assign")


def test_the_end_of_merging_is_an_event(lead: Person) -> None:
    make_label("one", make_prompts(1))
    draft = make_map()
    run = make_run("merge", Run.State.NEEDS_PEOPLE)
    lead.post(reverse("annotation:merge-finish"), {"map": draft.pk})
    (event,) = events("merge.finish")
    assert (event.actor, event.subject) == (lead.user, str(run))


# --- verdicts ---


def test_an_answer_is_an_event_without_any_text(reviewer: Person) -> None:
    make_queue(1)
    seat = seat_claim(reviewer.user)
    assert seat
    seat_answer(reviewer.user, seat.pk, seat.token, "unsafe")
    (event,) = events("review.answer")
    assert (event.actor, event.subject) == (reviewer.user, f"seat {seat.pk}")
    assert event.facts == {"item": seat.item_id, "answer": "unsafe"}


def test_an_answer_sent_twice_is_one_event(reviewer: Person) -> None:
    make_queue(1)
    seat = seat_claim(reviewer.user)
    assert seat
    for _ in range(2):
        seat_answer(reviewer.user, seat.pk, seat.token, "safe")
    assert len(events("review.answer")) == 1


def test_an_answer_taken_back_is_an_event(reviewer: Person) -> None:
    make_queue(1)
    seat = seat_claim(reviewer.user)
    assert seat
    seat_answer(reviewer.user, seat.pk, seat.token, "safe")
    review_undo(reviewer.user)
    assert facts("review.undo") == {"item": Seat.objects.get().item_id, "answer": "safe"}


# --- exports ---


def test_results_taken_out_are_an_event_with_their_rows(annotator: Person) -> None:
    run = evaluated("safetybench", [("OFF", True, False)])
    annotator.post(reverse("evaluation:results-csv", args=["safetybench"]))
    (event,) = events("results.export")
    assert (event.actor, event.subject, event.facts["benchmark"]) == (annotator.user, str(run), "safetybench")
    assert event.facts["rows"] == 2


# --- runs ---


def test_a_run_that_is_made_is_an_event(lead: Person) -> None:
    run = service.run_create(stage_name="deduplicate", values={}, user=lead.user)
    (event,) = events("run.create")
    assert (event.actor, event.subject) == (lead.user, str(run))


def pipeline(tmp_path: Path, *arguments: str) -> int:
    """The exit status of run_pipeline on a chain of one short stage."""
    path = tmp_path / "short.yaml"
    path.write_text(CHAIN, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        call_command("run_pipeline", str(path), *arguments)
    return int(ended.value.code or 0)


@pytest.mark.django_db(transaction=True)
def test_what_a_command_starts_is_written_down_as_the_systems(tmp_path: Path) -> None:
    assert pipeline(tmp_path) == 0
    for verb in ("run.create", "run.start"):
        (event,) = events(verb)
        assert event.actor is None and event.actor_name.startswith("system (")


@pytest.mark.django_db(transaction=True)
def test_a_command_may_name_the_person_it_acts_for(lead: Person, tmp_path: Path) -> None:
    assert pipeline(tmp_path, "--as", "lead") == 0
    assert [events(verb)[0].actor for verb in ("run.create", "run.start")] == [lead.user] * 2
    assert Run.objects.get().actor == lead.user


@pytest.mark.parametrize("name", ["nobody", "annotator"])
def test_a_command_refuses_a_name_that_may_not_run(annotator: Person, tmp_path: Path, name: str, capsys: Any) -> None:
    assert pipeline(tmp_path, "--as", name) == 2
    assert f"--as {name}" in capsys.readouterr().err
    assert not Run.objects.exists()
