"""The bell: who is told of a run that came to rest, the count in the header, and what marks it as seen."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from madsafe_web.core.models import Run, RunNotice, User
from madsafe_web.core.runs import service
from madsafe_web.core.runs.notices import notice_add
from tests.factories import Person, make_run, make_user

pytestmark = pytest.mark.django_db
S = Run.State


def told(person: Person, state: str = S.DONE) -> RunNotice:
    """A run of that person that came to rest."""
    run = make_run(state=state, actor=person.user, error="It failed. Start again." if state == S.FAILED else "")
    notice_add(run, state)
    return RunNotice.objects.latest("pk")


def unseen(person: Person) -> int:
    return User.objects.get(pk=person.user.pk).unseen


@pytest.mark.parametrize("state", [S.FAILED, S.NEEDS_PEOPLE, S.OVER_BUDGET, S.LOST])
def test_whoever_started_a_run_is_told_when_it_cannot_go_on(lead: Person, state: S) -> None:
    run = make_run(state=S.RUNNING, actor=lead.user)
    service.run_fail(run, "It stopped. Do this.", state)
    notice = RunNotice.objects.get()
    assert (notice.user, notice.run, notice.state, unseen(lead)) == (lead.user, run, state, 1)


def test_whoever_started_a_run_is_told_when_it_is_done(lead: Person) -> None:
    run = make_run("deduplicate", state=S.RUNNING, actor=lead.user)
    assert service.run_finish(run)
    assert (RunNotice.objects.get().state, unseen(lead)) == (S.DONE, 1)


def test_a_run_that_has_already_ended_tells_nothing(lead: Person) -> None:
    run = make_run(state=S.CANCELLED, actor=lead.user)
    service.run_fail(run, "It stopped.")
    assert not RunNotice.objects.exists()


def test_a_run_of_a_command_tells_nobody() -> None:
    service.run_fail(make_run(state=S.RUNNING), "It stopped.")
    assert not RunNotice.objects.exists()


def test_the_count_stands_in_the_header(lead: Person) -> None:
    told(lead)
    told(lead)
    assert "2 runs have news" in lead.get("/runs/").content.decode()
    assert "2 runs have news" in lead.get("/runs/notices/bell/").content.decode()


def test_the_count_costs_no_query_of_its_own(lead: Person, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    told(lead)
    with django_assert_num_queries(2):  # session and user
        lead.get("/runs/notices/bell/")


def test_opening_a_notice_marks_it_and_leads_to_its_run(lead: Person) -> None:
    first, second = told(lead), told(lead, S.FAILED)
    answer = lead.post("/runs/notices/seen/", {"notice": first.pk})
    assert answer["Location"] == f"/runs/{first.run_id}/"
    assert list(RunNotice.objects.filter(seen=False)) == [second]
    assert unseen(lead) == 1


def test_all_are_marked_at_once(lead: Person) -> None:
    told(lead)
    told(lead)
    lead.post("/runs/notices/seen/")
    assert (RunNotice.objects.filter(seen=False).count(), unseen(lead)) == (0, 0)


def test_marking_twice_counts_once(lead: Person) -> None:
    first = told(lead)
    told(lead)
    for _ in range(2):
        lead.post("/runs/notices/seen/", {"notice": first.pk})
    assert unseen(lead) == 1


def test_the_notices_of_somebody_else_are_not_there(lead: Person) -> None:
    other = make_user("other", User.Role.LEAD)
    run = make_run("label", actor=other)
    notice_add(run, S.DONE)
    notice = RunNotice.objects.get()
    assert f"#{run.pk}" not in lead.get("/runs/notices/").content.decode().partition("<main")[2]
    lead.post("/runs/notices/seen/", {"notice": notice.pk})
    notice.refresh_from_db()
    assert not notice.seen


def test_the_newest_stand_under_the_bell(lead: Person) -> None:
    notices = [told(lead) for _ in range(8)]
    page = lead.get("/runs/notices/newest/").content.decode()
    assert page.count("<li") == 6 and f'value="{notices[-1].pk}"' in page


def test_the_list_tells_what_happened(lead: Person) -> None:
    told(lead, S.FAILED)
    page = lead.get("/runs/notices/").content.decode()
    assert "It failed" in page and "Start again" not in page
