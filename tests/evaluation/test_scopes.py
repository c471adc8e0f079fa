"""A reviewer is blind: what a judge said of an answer is not there for them before they have answered themselves."""

from __future__ import annotations

import pytest

from annotation.models import ReviewItem, Seat
from annotation.reviewing import seat_answer, seat_claim
from evaluation.models import Answer, Verdict, Vote
from madsafe_web.core.access import scoped
from madsafe_web.core.models import Generation, User
from tests.evaluation.test_results import evaluated
from tests.factories import Person, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def opinions(db: None) -> None:
    """Two verdicts of one item, one certain and one open, each with its vote and the raw reply behind it."""
    run = evaluated("new_safety", [("OFF", "uncertain", "safe")])
    for verdict in Verdict.objects.all():
        endpoint = verdict.answer.evaluation.endpoint
        raw = Generation.objects.create(
            call_key=f"{verdict.pk:032d}", run=run, endpoint=endpoint, text=verdict.judged, finish="stop"
        )
        Vote.objects.create(answer=verdict.answer, number=1, verdict=verdict.judged, generation=raw)
    item = ReviewItem.objects.get()
    Seat.objects.bulk_create([Seat(item=item, number=number) for number in (1, 2)])


def known(user: User) -> list[set[str]]:
    """The verdicts, votes and raw replies that exist for somebody."""
    return [
        set(scoped(user, Verdict).values_list("judged", flat=True)),
        set(scoped(user, Vote).values_list("verdict", flat=True)),
        set(scoped(user, Generation).values_list("text", flat=True)),
    ]


def answer(user: User) -> None:
    seat = seat_claim(user)
    assert seat
    seat_answer(user, seat.pk, seat.token, "unsafe")


def test_an_open_verdict_does_not_exist_for_a_reviewer(opinions: None, reviewer: Person) -> None:
    assert known(reviewer.user) == [{"safe"}] * 3


def test_after_the_own_answer_it_does(opinions: None, reviewer: Person) -> None:
    answer(reviewer.user)
    assert known(reviewer.user) == [{"safe", "uncertain"}] * 3


def test_the_answer_of_somebody_else_opens_it_only_when_it_resolves_the_item(
    opinions: None, reviewer: Person, lead: Person
) -> None:
    first, second = (make_user(name, User.Role.REVIEWER) for name in ("first", "second"))
    answer(first)
    assert known(reviewer.user) == [{"safe"}] * 3
    answer(second)
    assert known(reviewer.user) == [{"safe", "uncertain"}] * 3


@pytest.mark.parametrize("role", ["annotator", "lead", "admin"])
def test_who_does_not_review_sees_all(opinions: None, role: str, request: pytest.FixtureRequest) -> None:
    assert known(request.getfixturevalue(role).user) == [{"safe", "uncertain"}] * 3


def test_a_token_with_fewer_rights_does_not_see_more(opinions: None, reviewer: Person) -> None:
    reviewer.user.limited_to = frozenset({"browse"})
    assert known(reviewer.user) == [{"safe"}] * 3


def test_a_vote_without_a_verdict_yet_is_hidden(opinions: None, reviewer: Person) -> None:
    Verdict.objects.all().delete()
    assert Answer.objects.count() == 2
    assert known(reviewer.user) == [set()] * 3
