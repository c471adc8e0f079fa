"""The page of the merge history."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from annotation.models import MergeMap
from madsafe_web.core.models import User
from tests.annotation.merge_steps import NAMES, decide, draft_of, standing
from tests.factories import Person, make_user, sign_in
from tests.helpers.queries import query_count

pytestmark = pytest.mark.django_db
PAGE = "/labels/history/"


@pytest.fixture
def draft() -> MergeMap:
    return draft_of()


def test_a_step_is_taken_back_and_done_again(draft: MergeMap) -> None:
    person = sign_in(make_user())
    step = decide(draft, person.user, "CIA", "one")
    for target in ("", "CIA"):
        person.post(reverse("annotation:label-history-turn"), {"step": step.pk})
        assert standing(draft, "one")[0] == target


def test_the_step_of_somebody_else_is_a_leads_to_change(draft: MergeMap) -> None:
    step = decide(draft, make_user("other"), "CIA", "one")
    turn = reverse("annotation:label-history-turn")
    assert sign_in(make_user()).post(turn, {"step": step.pk}).status_code == 404
    assert sign_in(make_user("lead", User.Role.LEAD)).post(turn, {"step": step.pk}).status_code == 302
    assert standing(draft, "one")[0] == ""


def test_a_lead_counts_and_takes_back_a_persons_days(draft: MergeMap) -> None:
    other, lead = make_user("other"), sign_in(make_user("lead", User.Role.LEAD))
    decide(draft, other, "CIA", "one", "two")
    today = timezone.localdate().isoformat()
    period = {"who": "other", "since": today, "until": today}
    assert lead.get(PAGE, period).context["preview"] == {"steps": 1, "labels": 2}
    lead.post(reverse("annotation:label-history-revert"), period)
    assert standing(draft, "one")[0] == ""


def test_many_steps_cost_as_many_queries_as_one(draft: MergeMap) -> None:
    person = sign_in(make_user())
    decide(draft, person.user, "CIA", "one")
    person.get(PAGE)
    few = query_count(lambda: person.get(PAGE))
    for name in NAMES * 5:
        decide(draft, person.user, "EM", name)
    assert query_count(lambda: person.get(PAGE)) == few


def test_a_step_of_a_rule_says_so_instead_of_a_name(lead: Person) -> None:
    decide(draft_of(), None, "CIA", "one")
    assert '<th scope="row">by rule</th>' in lead.get("/labels/history/").text
