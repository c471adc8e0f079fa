"""Single steps of the merge history taken back and done again, and a lead's revert of a person's period."""

from __future__ import annotations

from typing import Any

import pytest

from annotation import label_use
from annotation.models import LabelOperation, MapEntry
from madsafe_web.core.models import User
from tests.api.calls import Program, fields, problem
from tests.factories import make_label, make_map, make_prompts, make_user

DAY = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}


@pytest.fixture
def label(db: None) -> int:
    label_use.forget()
    return make_label("a label", make_prompts(1)).pk


def decide(program: Program, label: int, category: str, revision: int = 0) -> int:
    """The id of the step."""
    labels = [{"id": label, "revision": revision}]
    answer = program.send("labels/assign/", {"labels": labels, "category": category})
    assert answer.status_code == 200, answer.content
    return LabelOperation.objects.latest("pk").pk


def turn(program: Program, step: int, verb: str) -> Any:
    return program.send(f"labels/history/{step}/{verb}/")


def target() -> str:
    entry = MapEntry.objects.select_related("category").latest("pk")
    return entry.category.code if entry.category else ""


def test_a_step_of_ones_own_is_taken_back_and_done_again(annotator_api: Program, label: int) -> None:
    step = decide(annotator_api, label, "OFF")
    (row,) = turn(annotator_api, step, "undo").json()["results"]
    assert (row["label_id"], row["target"], target()) == (label, "", "")
    turn(annotator_api, step, "redo")
    assert target() == "OFF"


@pytest.mark.parametrize("verb", ["undo", "redo"])
def test_a_step_is_not_turned_twice(annotator_api: Program, label: int, verb: str) -> None:
    step = decide(annotator_api, label, "OFF")
    turn(annotator_api, step, "undo")
    if verb == "redo":
        turn(annotator_api, step, "redo")
    problem(turn(annotator_api, step, verb), 409)


def test_the_step_of_somebody_else_is_a_leads_to_take_back(
    annotator_api: Program, lead_api: Program, label: int
) -> None:
    step = decide(lead_api, label, "OFF")
    problem(turn(annotator_api, step, "undo"), 403)
    step = decide(annotator_api, label, "CIA", 1)
    turn(lead_api, step, "undo")
    assert target() == "OFF"


def test_a_step_that_somebody_built_on_stays(annotator_api: Program, lead_api: Program, label: int) -> None:
    step = decide(annotator_api, label, "OFF")
    decide(lead_api, label, "CIA", 1)
    problem(turn(annotator_api, step, "undo"), 409)
    assert target() == "CIA"


def test_a_step_of_a_published_map_stays(annotator_api: Program, label: int) -> None:
    step = decide(annotator_api, label, "OFF")
    make_map(published=True)
    problem(turn(annotator_api, step, "undo"), 409)


def test_an_undo_is_no_step_of_the_history(annotator_api: Program, label: int) -> None:
    turn(annotator_api, decide(annotator_api, label, "OFF"), "undo")
    problem(turn(annotator_api, LabelOperation.objects.latest("pk").pk, "undo"), 404)


def test_a_persons_period_is_told_and_taken_back(annotator_api: Program, lead_api: Program, label: int) -> None:
    decide(annotator_api, label, "OFF")
    decide(annotator_api, label, "CIA", 1)
    wanted = {"person": annotator_api.user.username, **DAY}
    assert lead_api.ask("labels/history/revert/", **wanted).json() == {"steps": 2, "labels": 1}
    done = lead_api.send("labels/history/revert/", wanted).json()
    assert (done["steps"], done["left"], target()) == (2, [], "")
    turn(lead_api, done["step"], "undo")
    assert target() == "CIA"


def test_what_somebody_changed_since_is_left_and_named(annotator_api: Program, lead_api: Program, label: int) -> None:
    decide(annotator_api, label, "OFF")
    decide(lead_api, label, "CIA", 1)
    done = lead_api.send("labels/history/revert/", {"person": annotator_api.user.username, **DAY}).json()
    assert (done["steps"], done["left"], target()) == (0, ["a label"], "CIA")


def test_who_did_nothing_has_no_period(lead_api: Program, label: int) -> None:
    make_user("idle", User.Role.ANNOTATOR)
    for name in ("idle", "nobody"):
        problem(lead_api.send("labels/history/revert/", {"person": name, **DAY}), 404)


def test_a_period_that_ends_before_it_begins_is_refused(lead_api: Program) -> None:
    wanted = {"person": "x", "since": DAY["until"], "until": DAY["since"]}
    assert fields(lead_api.send("labels/history/revert/", wanted)) == {"until"}
    assert fields(lead_api.ask("labels/history/revert/", person="x")) == {"since", "until"}


def test_without_a_draft_nothing_is_reverted(annotator_api: Program, lead_api: Program, label: int) -> None:
    decide(annotator_api, label, "OFF")
    make_map(published=True)
    problem(lead_api.send("labels/history/revert/", {"person": annotator_api.user.username, **DAY}), 409)


def test_only_leads_revert(annotator_api: Program) -> None:
    problem(annotator_api.send("labels/history/revert/", {"person": "x", **DAY}), 403)
    problem(annotator_api.ask("labels/history/revert/", person="x", **DAY), 403)
