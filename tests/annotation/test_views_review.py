from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import Judgement, ReviewItem, Seat
from annotation.reviewing import seat_claim
from madsafe_web.core.access import scoped
from madsafe_web.core.models import Run, User
from tests.factories import Person, make_queue, make_run, make_user, sign_in

pytestmark = pytest.mark.django_db
REVIEW = "/review/"


@pytest.fixture
def other(db: None) -> Person:
    return sign_in(make_user("other", User.Role.REVIEWER))


def shown(person: Person) -> Any:
    """The item in the page, once the person has taken one."""
    item = person.post("/review/take/", follow=True).context["item"]
    assert item is not None
    return item


def send(person: Client, item: Any, answer: str = "safe") -> Any:
    return person.post("/review/answer/", {"seat": item.seat, "token": item.token, "answer": answer})


def run_out(seat: int) -> None:
    Seat.objects.filter(pk=seat).update(lease_until=timezone.now() - timedelta(seconds=1))


# --- the page ---


def test_anonymous_people_are_sent_to_the_sign_in(client: Client) -> None:
    assert client.get(REVIEW).url.startswith("/accounts/login/")
    for path in ("take", "answer", "skip", "undo"):
        assert client.post(f"/review/{path}/").url.startswith("/accounts/login/")


def test_a_reviewer_gets_an_item_without_the_judge_and_the_model(reviewer: Person) -> None:
    make_queue(hidden={"judge": "uncertain-word", "model": "model-word"})
    response = reviewer.post("/review/take/", follow=True)
    assert response.context["item"].prompt == "question 1"
    assert "uncertain-word" not in response.text and "model-word" not in response.text


def test_the_page_alone_takes_nothing_and_offers_to_take(reviewer: Person) -> None:
    make_queue()
    response = reviewer.get(REVIEW)
    assert response.context["item"] is None and 'hx-trigger="load, submit"' in response.text
    assert Seat.objects.get().state == Seat.State.OPEN


def test_a_person_whose_time_is_over_is_offered_the_next_item(reviewer: Person) -> None:
    make_queue()
    run_out(shown(reviewer).seat)
    response = reviewer.get(REVIEW)
    assert response.context["item"] is None and response.context["can_take"]


def test_a_page_without_anything_free_does_not_ask_again_by_itself(reviewer: Person, other: Person) -> None:
    make_queue()
    shown(other)
    for response in (reviewer.post("/review/take/"), reviewer.get(REVIEW)):
        assert response.context["can_take"] is False and 'hx-trigger="load' not in response.text


def test_a_page_that_is_opened_again_shows_the_same_item(reviewer: Person) -> None:
    make_queue(3)
    assert shown(reviewer).seat == shown(reviewer).seat


def test_other_roles_see_who_answers_and_take_no_seat(annotator: Person, lead: Person, admin: Person) -> None:
    make_queue()
    for person in (annotator, lead, admin):
        response = person.get(REVIEW)
        assert response.status_code == 200
        assert response.context["item"] is None
        assert "role Reviewer" in response.text
    assert Seat.objects.get().state == Seat.State.OPEN


def test_the_page_is_never_kept_by_a_browser(reviewer: Person) -> None:
    assert "no-store" in reviewer.get(REVIEW)["Cache-Control"]


def test_the_number_of_queries_does_not_depend_on_the_length_of_the_queue(reviewer: Person) -> None:
    def queries() -> int:
        reviewer.get(REVIEW)
        with CaptureQueriesContext(connection) as captured:
            reviewer.get(REVIEW)
        return len(captured)

    make_queue(1)
    few = queries()
    ReviewItem.objects.all().delete()
    make_queue(60)
    assert queries() == few
    assert few <= 20


# --- an empty queue tells the truth ---


def test_before_any_evaluation_the_page_says_so(reviewer: Person) -> None:
    assert "No evaluation has run yet" in reviewer.get(REVIEW).text


def test_when_the_judge_was_certain_the_page_says_so(reviewer: Person) -> None:
    make_run("evaluate", Run.State.DONE)
    assert "The judge was certain" in reviewer.get(REVIEW).text


def test_when_all_is_answered_the_page_says_so(reviewer: Person) -> None:
    make_queue()
    send(reviewer, shown(reviewer))
    assert "All answered" in reviewer.get(REVIEW).text


def test_when_others_hold_the_rest_the_page_says_until_when(reviewer: Person, other: Person) -> None:
    make_queue()
    shown(other)
    response = reviewer.get(REVIEW)
    assert response.context["empty"].title == "Nothing is free for you"
    assert response.context["queue"].leased_by_others == 1


def test_what_waits_for_a_second_person_is_not_called_answered(reviewer: Person) -> None:
    make_queue(seats=2)
    send(reviewer, shown(reviewer))
    assert reviewer.get(REVIEW).context["empty"].title == "Nothing left for you"


# --- answering ---


@pytest.mark.parametrize("path", ["take", "answer", "skip", "undo"])
def test_only_reviewers_answer(annotator: Person, lead: Person, admin: Person, path: str) -> None:
    assert [person.post(f"/review/{path}/").status_code for person in (annotator, lead, admin)] == [403] * 3


def test_answers_are_given_by_post_only(reviewer: Person) -> None:
    assert [reviewer.get(f"/review/{path}/").status_code for path in ("take", "answer", "skip", "undo")] == [405] * 4


def test_an_answer_is_stored_and_the_next_item_follows(reviewer: Person) -> None:
    make_queue(2)
    assert send(reviewer, shown(reviewer), "unsafe").url == REVIEW
    judgement = Judgement.objects.get()
    assert (judgement.person, judgement.answer) == (reviewer.user, "unsafe")
    assert shown(reviewer).prompt == "question 2"


def test_after_the_answer_the_judge_and_the_model_are_shown(reviewer: Person) -> None:
    make_queue(2, hidden={"judge": "unsafe", "model": "tuned"})
    send(reviewer, shown(reviewer))
    previous = reviewer.get(REVIEW).context["previous"]
    assert (previous.prompt, previous.answer, previous.judge, previous.model) == (
        "question 1",
        "safe",
        "unsafe",
        "tuned",
    )


@pytest.mark.parametrize("wrong", [{"answer": "maybe"}, {"seat": "x"}, {"token": "-1"}, {"answer": ""}])
def test_an_answer_that_cannot_be_read_is_not_stored(reviewer: Person, wrong: dict[str, str]) -> None:
    make_queue()
    item = shown(reviewer)
    response = reviewer.post("/review/answer/", {"seat": item.seat, "token": item.token, "answer": "safe", **wrong})
    assert response.status_code == 422
    assert not Judgement.objects.exists()


def test_the_seat_of_somebody_else_does_not_exist(reviewer: Person, other: Person) -> None:
    make_queue()
    item = shown(other)
    assert send(reviewer, item).status_code == 404
    skip = reviewer.post("/review/skip/", {"seat": item.seat, "token": item.token})
    assert skip.status_code == 404
    assert not Judgement.objects.exists()
    assert Seat.objects.get().holder == other.user


def test_an_answer_after_somebody_else_took_over_is_refused_with_the_page(reviewer: Person, other: Person) -> None:
    make_queue(2)
    item = shown(reviewer)
    run_out(item.seat)
    assert shown(other).seat == item.seat
    response = send(reviewer, item)
    assert response.status_code == 409
    assert "Your time for that item was over" in response.text
    assert response.context["item"].prompt == "question 2"
    assert not Judgement.objects.exists()


def test_an_answer_a_little_late_counts_while_nobody_took_over(reviewer: Person) -> None:
    make_queue()
    item = shown(reviewer)
    run_out(item.seat)
    assert send(reviewer, item).status_code == 302
    assert Judgement.objects.count() == 1


def test_a_second_different_answer_to_the_same_seat_is_refused(reviewer: Person) -> None:
    make_queue()
    item = shown(reviewer)
    send(reviewer, item, "safe")
    assert send(reviewer, item, "unsafe").status_code == 409
    assert Judgement.objects.get().answer == "safe"


def test_a_skipped_item_comes_last(reviewer: Person) -> None:
    make_queue(2)
    item = shown(reviewer)
    reviewer.post("/review/skip/", {"seat": item.seat, "token": item.token})
    assert shown(reviewer).prompt == "question 2"


def test_undo_brings_the_item_back_and_keeps_the_answer_as_withdrawn(reviewer: Person) -> None:
    make_queue(2)
    send(reviewer, shown(reviewer), "unsafe")
    assert reviewer.get(REVIEW).context["can_undo"] is True
    reviewer.post("/review/undo/")
    assert shown(reviewer).prompt == "question 1"
    assert Judgement.objects.get().withdrawn is True


def test_nothing_to_take_back_is_said(reviewer: Person) -> None:
    assert "no answer of yours" in reviewer.post("/review/undo/", follow=True).text


# --- scopes ---


def test_the_answers_of_others_are_hidden_until_the_item_is_resolved(reviewer: Person, other: Person) -> None:
    make_queue(seats=2)
    send(other, shown(other))
    assert not scoped(reviewer.user, Judgement).exists()
    send(reviewer, shown(reviewer))
    assert scoped(reviewer.user, Judgement).count() == 2


def test_the_seats_of_others_are_hidden(reviewer: Person, other: Person) -> None:
    make_queue(2)
    seat_claim(other.user)
    assert [seat.item.prompt for seat in scoped(reviewer.user, Seat).select_related("item")] == ["question 2"]
