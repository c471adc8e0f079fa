"""The frame of every page: signing in, theme, navigation, steps of the method, error pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from madsafe_web.core import context, method
from madsafe_web.core.models import Run, User
from tests.factories import Person, make_queue, make_run, make_user

pytestmark = pytest.mark.django_db
S = Run.State
NOW = timezone.now()


def ran(stage: str, state: str = S.DONE, minutes: int = 0) -> Run:
    """A run that worked for a minute and ended so many minutes ago."""
    ended = NOW - timedelta(minutes=minutes)
    return make_run(stage, state, started=ended - timedelta(minutes=1), finished=ended)


def states() -> dict[int, str]:
    return {step.number: step.state for step in method.step_states()}


def test_a_person_signs_in_with_a_password_and_out_again() -> None:
    user = make_user("lead", User.Role.LEAD)
    user.set_password("a long test password")
    user.save()
    browser = Client(enforce_csrf_checks=False)
    assert browser.get("/accounts/login/").status_code == 200
    answer = browser.post("/accounts/login/", {"username": "lead", "password": "a long test password"})
    assert answer["Location"] == "/"
    assert browser.get("/runs/").status_code == 200
    assert browser.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert browser.get("/runs/").status_code == 302


def test_a_wrong_password_is_told_on_the_page() -> None:
    answer = Client().post("/accounts/login/", {"username": "nobody", "password": "wrong"})
    assert answer.status_code == 200 and 'role="alert"' in answer.content.decode()


def test_signing_out_by_a_link_does_not_work(lead: Person) -> None:
    assert lead.get("/accounts/logout/").status_code == 405
    assert lead.get("/runs/").status_code == 200


def test_a_form_without_its_token_is_refused(lead: Person) -> None:
    run = make_run(state=S.RUNNING)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(lead.user)
    assert browser.post(f"/runs/{run.pk}/cancel/").status_code == 403
    run.refresh_from_db()
    assert run.state == S.RUNNING


def test_the_sign_in_page_asks_nothing_of_the_method(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        Client().get("/accounts/login/")


def test_a_theme_is_kept_in_a_cookie_and_drawn_by_the_server(lead: Person) -> None:
    lead.post("/set-theme/", {"theme": "dark", "next": "/runs/"})
    assert 'data-bs-theme="dark"' in lead.get("/runs/").content.decode()


def test_a_theme_that_does_not_exist_is_not_kept(lead: Person) -> None:
    lead.cookies["theme"] = "pink"
    assert lead.get("/runs/").context["theme"] == "auto"


def test_the_language_is_kept_and_leads_back_to_the_page() -> None:
    answer = Client().post("/set-language/", {"language": "zh-hans", "next": "/accounts/login/"})
    assert answer["Location"] == "/accounts/login/"
    assert answer.cookies["django_language"].value == "zh-hans"


@pytest.mark.parametrize("path", ["/set-theme/", "/set-language/"])
def test_a_link_to_another_host_leads_to_the_start(path: str) -> None:
    assert Client().post(path, {"next": "https://example.com/"})["Location"] == "/"


@pytest.mark.parametrize(
    ("view", "nav", "step"),
    [
        ("overview", "overview", 0),
        ("annotation:corpora", "prompts", 1),
        ("annotation:prompts", "prompts", 0),
        ("annotation:label-assign", "labels", 3),
        ("annotation:review-answer", "review", 10),
        ("runs:detail", "runs", 0),
        ("pipeline:sets", "sets", 8),
        ("pipeline:training-launch", "training", 9),
        ("evaluation:results", "results", 10),
        ("accounts:login", "", 0),
    ],
)
def test_every_view_has_its_place_in_the_frame(view: str, nav: str, step: int) -> None:
    assert context.place(view) == (nav, step)


def test_the_page_of_a_run_belongs_to_the_step_of_its_stage(lead: Person) -> None:
    run = make_run("perplexity")
    assert lead.get(f"/runs/{run.pk}/").context["method_current"] == 7


def test_the_badge_counts_what_waits_for_a_reviewer_only(reviewer: Person, annotator: Person) -> None:
    make_queue(3)
    assert reviewer.get("/runs/").context["review_count"] == 3
    assert annotator.get("/runs/").context["review_count"] == 0


def test_the_role_is_told_in_words(lead: Person) -> None:
    assert lead.get("/runs/").context["user_role"] == "Lead"


def test_a_result_of_the_offline_rules_marks_every_page(lead: Person) -> None:
    assert "not for publishing" not in lead.get("/runs/").content.decode()
    make_run("label", offline_rules=True)
    assert "not for publishing" in lead.get("/runs/").content.decode()


def test_every_stage_of_the_method_belongs_to_one_step_and_exists() -> None:
    from madsafe_web.core.runs.stages import stages

    assert sorted(method.NUMBER_OF) == sorted(method.STAGES) == sorted(stages())


def test_the_ten_steps_cost_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for stage in method.STAGES:
        make_run(stage)
        make_run(stage)
    with django_assert_num_queries(1):
        assert len(method.step_states()) == 10


def test_the_pages_load_nothing_of_what_dry_runs_hold(lead: Person) -> None:
    make_run("dry_run", outputs={"rows": [{"value": "a large text"}]})
    make_run("label")
    assert set(method.newest_runs()) == {"label"}
    with CaptureQueriesContext(connection) as asked:
        lead.get("/runs/")
        lead.get("/runs/notices/")
    assert len(asked) > 2 and not any('"outputs"' in one["sql"] for one in asked)


def test_nothing_run_means_nothing_done() -> None:
    assert set(states().values()) == {"todo"}


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (S.QUEUED, "run"),
        (S.RUNNING, "run"),
        (S.PAUSING, "run"),
        (S.PAUSED, "people"),
        (S.NEEDS_PEOPLE, "people"),
        (S.FAILED, "failed"),
        (S.LOST, "failed"),
        (S.DONE, "done"),
        (S.DRAFT, "todo"),
        (S.CANCELLED, "todo"),
    ],
)
def test_a_step_takes_its_state_from_its_run(state: str, word: str) -> None:
    ran("label", state)
    assert states()[2] == word


def test_a_cancelled_run_leaves_the_one_before_in_force() -> None:
    ran("label"), ran("label", S.CANCELLED)
    assert states()[2] == "done"


def test_a_step_of_several_stages_is_done_when_all_of_them_are() -> None:
    ran("suggest", minutes=9), ran("merge", minutes=8)
    assert states()[3] == "todo"
    ran("publish", minutes=7)
    assert states()[3] == "done"


def test_a_stage_that_was_left_out_does_not_hold_up_a_step_that_people_went_on_from() -> None:
    ran("suggest", minutes=9), ran("merge", minutes=8), ran("deduplicate", minutes=3)
    assert states()[3] == "done"


def test_a_step_is_stale_when_something_before_it_ended_after_it_began() -> None:
    ran("import", minutes=30), ran("label", minutes=20)
    assert states()[2] == "done"
    ran("import", minutes=10)
    assert (states()[1], states()[2]) == ("done", "stale")


def test_a_missing_page_says_so_in_the_frame_of_an_error(lead: Person) -> None:
    answer = lead.get("/nothing/")
    assert answer.status_code == 404 and "There is nothing at this address" in answer.content.decode()
