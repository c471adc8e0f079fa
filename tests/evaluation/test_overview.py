"""The first page: the chain, the one next step, what waits, what runs, what happened, the last results."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.merge.telling import step_text
from annotation.models import Corpus, IntentLabel, LabelOperation, Prompt, PromptIntent, ReviewItem
from evaluation import overview
from madsafe_web.core import method
from madsafe_web.core.audit import audit
from madsafe_web.core.models import Chunk, Run
from tests.factories import Person, make_label, make_map, make_prompts, make_queue, make_run

pytestmark = pytest.mark.django_db
S = Run.State


def ran(stage: str, state: str = S.DONE, kept: int = 0, **values: Any) -> Run:
    """A run that worked for a second, begun after all runs before it had ended."""
    begun = timezone.now()
    run = make_run(stage, state, started=begun, finished=begun if state == S.DONE else None, **values)
    Chunk.objects.create(run=run, seq=0, subjects=[], read=kept, kept=kept)
    return run


def all_done() -> None:
    for step in method.STEPS:
        for stage in step.stages:
            ran(stage)


def seen(person: Person) -> Any:
    return person.get("/").context


@pytest.mark.parametrize("role", ["annotator", "reviewer", "lead", "admin"])
def test_every_role_sees_the_overview(role: str, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue(role).get("/").status_code == 200


def test_somebody_not_signed_in_is_sent_to_sign_in() -> None:
    assert Client().get("/")["Location"].startswith("/accounts/login/")


def test_the_overview_changes_nothing_and_takes_no_post(lead: Person) -> None:
    lead.get("/")
    assert lead.post("/").status_code == 405
    assert not Run.objects.exists()


# --- the chain ---


def test_the_chain_shows_ten_steps_with_what_they_made(lead: Person) -> None:
    make_prompts(3)
    ran("import"), ran("label", kept=1234)
    steps = seen(lead)["steps"]
    assert [step.number for step in steps] == list(range(1, 11))
    assert (steps[0].count, str(steps[0].text)) == ("3", "prompts in all")
    assert (steps[1].count, str(steps[1].text), steps[1].state) == ("1,234", "prompts labelled", "done")
    assert steps[1].when is not None and steps[2].count == ""


def test_a_step_in_work_shows_how_far_its_run_is(lead: Person) -> None:
    ran("label", S.RUNNING, kept=25, total=100)
    step = seen(lead)["steps"][1]
    assert (step.state, step.done, step.total, step.text) == ("run", 25, 100, "Label")


def test_the_chain_is_summed_up_in_words(lead: Person) -> None:
    ran("import"), ran("label", S.RUNNING)
    assert seen(lead)["chain_summary"] == "1 done · 1 running"


# --- the next step ---


def test_the_first_step_is_to_import(lead: Person) -> None:
    found = seen(lead)["next_step"]
    assert (found.number, found.url, found.post) == (1, "/corpora/", False)


def test_a_stage_without_a_page_of_its_own_is_started_from_here(lead: Person) -> None:
    ran("import")
    found = seen(lead)["next_step"]
    assert (found.url, found.post, found.fields) == ("/runs/start/", True, {"stage": "label"})
    lead.post(found.url, found.fields)
    assert Run.objects.get(stage="label").state == S.QUEUED


def test_a_run_that_lies_ready_is_started_instead_of_a_new_one(lead: Person) -> None:
    ran("import")
    draft = make_run("label", S.DRAFT)
    found = seen(lead)["next_step"]
    assert (found.url, found.post) == (f"/runs/{draft.pk}/resume/", True)


def test_an_annotator_is_told_who_starts_it(annotator: Person) -> None:
    ran("import")
    found = seen(annotator)["next_step"]
    assert not found.post and found.text.endswith("A lead does this.")


def test_within_a_step_the_next_stage_follows(lead: Person) -> None:
    ran("import"), ran("label"), ran("suggest")
    assert seen(lead)["next_step"].fields == {"stage": "merge"}


@pytest.mark.parametrize(
    ("state", "action"),
    [(S.RUNNING, "Watch it"), (S.FAILED, "See what happened"), (S.PAUSED, "Go on"), (S.NEEDS_PEOPLE, "Go on")],
)
def test_a_step_that_is_not_done_comes_before_the_ones_behind_it(lead: Person, state: str, action: str) -> None:
    ran("import")
    run = ran("label", state, kept=1, total=4)
    found = seen(lead)["next_step"]
    assert (found.number, found.action, found.url) == (2, action, f"/runs/{run.pk}/")
    assert (found.done, found.total) == (1, 4)


def test_a_merge_that_waits_for_people_leads_to_the_labels(lead: Person) -> None:
    ran("import"), ran("label"), ran("suggest"), ran("merge", S.NEEDS_PEOPLE, error="7 labels wait for people.")
    found = seen(lead)["next_step"]
    assert (found.url, found.text) == ("/labels/", "7 labels wait for people.")


def test_the_step_before_training_is_the_launch_page(lead: Person) -> None:
    all_done()
    Run.objects.filter(stage__in=("train", "evaluate")).update(state=S.CANCELLED)
    assert seen(lead)["next_step"].url == "/training/launch/"


def test_when_all_is_done_the_results_are_next(lead: Person) -> None:
    all_done()
    assert seen(lead)["next_step"].url == "/results/"


def test_when_all_is_done_undecided_labels_come_before_the_results(lead: Person) -> None:
    run = Run.objects.create(stage="label", state="done")
    all_done()
    home = Corpus.objects.create(name="c", format="x", role="alignment")
    prompt = Prompt.objects.create(corpus=home, key=b"k", text="t", language="zh")
    label = IntentLabel.objects.create(key="l", name="l", language="en")
    PromptIntent.objects.create(prompt=prompt, label=label, run=run, position=0)
    found = seen(lead)["next_step"]
    assert (found.url, found.title) == ("/labels/", "1 label has no category")


def test_when_all_is_done_a_reviewer_is_sent_to_the_open_verdicts(reviewer: Person) -> None:
    all_done()
    ReviewItem.objects.create(kind="new_safety", subject="1", prompt="p", response="r")
    found = seen(reviewer)["next_step"]
    assert (found.url, found.title) == ("/review/", "1 verdict is still open")


def test_when_all_is_done_but_something_changed_since_the_first_stale_step_is_next(lead: Person) -> None:
    all_done()
    ran("regenerate")
    found = seen(lead)["next_step"]
    assert found.number == 7 and "older data" in found.text


# --- the boxes ---


def test_what_waits_depends_on_the_role(reviewer: Person, annotator: Person, lead: Person) -> None:
    make_queue(2)
    make_label("x", make_prompts(1))
    make_map()
    make_run("label", S.FAILED)
    assert [(one.name, one.count) for one in seen(reviewer)["waiting"]] == [("Review", 2)]
    assert [(one.name, one.count) for one in seen(annotator)["waiting"]] == [("Labels", 1)]
    assert [(one.name, one.count) for one in seen(lead)["waiting"]] == [("Labels", 1), ("Runs", 1)]


def test_what_runs_is_shown_with_its_progress(lead: Person) -> None:
    run = ran("label", S.RUNNING, kept=25, total=100)
    (one,) = seen(lead)["running"]
    assert (one.name, one.url, one.percent, one.done) == (f"Label #{run.pk}", f"/runs/{run.pk}/", 25.0, 25)


def test_the_page_asks_again_only_while_something_runs(lead: Person) -> None:
    assert "every 5s" not in lead.get("/").content.decode()
    make_run("label", S.RUNNING)
    assert "every 5s" in lead.get("/").content.decode()


def test_the_polled_part_is_all_that_is_sent_and_costs_little(
    lead: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(3):  # session, user, runs in work
        text = lead.get("/", headers={"HX-Request": "true", "HX-Target": "running"}).content.decode()
    assert 'id="running"' in text and "<html" not in text


def test_what_people_and_commands_did_is_told_newest_first(lead: Person, annotator: Person) -> None:
    label = make_label("fraud", make_prompts(1))
    merge_map = make_map({label: "CIA"})
    LabelOperation.objects.update(actor=annotator.user, created=timezone.now() - timedelta(hours=1))
    audit(lead.user, "map.publish", f"map {merge_map}")
    events = seen(lead)["activity"]
    assert [(event.actor, event.text) for event in events] == [
        ("lead", "published map v1"),
        ("annotator", "“fraud” → CIA"),
    ]


def test_the_many_decisions_of_a_rule_are_not_told_one_by_one(lead: Person) -> None:
    make_map({make_label("fraud", make_prompts(1)): "CIA"})
    assert LabelOperation.objects.count() == 1 and seen(lead)["activity"] == []


def test_a_deed_without_words_of_its_own_is_told_as_it_is_stored(lead: Person) -> None:
    audit(None, "corpus.rename", "corpus 1")
    assert seen(lead)["activity"][0].text == "corpus.rename corpus 1"


@pytest.mark.parametrize(("target", "text"), [("DROP", "not used"), ("", "undecided"), ("CIA", "CIA")])
def test_a_decision_about_a_label_is_told_in_words(target: str, text: str) -> None:
    step = LabelOperation(kind="do", payload={"label": "fraud", "count": 1, "target": target})
    assert step_text(step) == f"“fraud” → {text}"


def test_without_an_evaluation_there_are_no_results(lead: Person) -> None:
    assert seen(lead)["last_results"] == []


def test_the_last_results_are_computed_once(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    asked: list[int] = []

    def scores(run: Run) -> list[overview.Score]:
        asked.append(run.pk)
        return [overview.Score("SafetyBench", 40.0, 60.0)]

    monkeypatch.setattr(overview, "scores", scores)
    run = ran("evaluate")
    assert "60.0" in lead.get("/").content.decode()
    lead.get("/")
    assert asked == [run.pk]


@pytest.mark.parametrize("rounds", [1, 4])
def test_the_overview_costs_the_same_queries_whatever_happened(
    lead: Person, rounds: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(rounds):
        all_done()
        audit(lead.user, "run.start", "a run")
    with django_assert_max_num_queries(19):
        lead.get("/")
