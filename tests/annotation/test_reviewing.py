from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import DecidedBy, Judgement, ReviewItem, Seat
from annotation.reviewing import (
    LeaseOver,
    NewItem,
    items_add,
    open_count,
    queue_state,
    review_undo,
    seat_answer,
    seat_claim,
    seat_skip,
)
from madsafe_web.core.models import User

pytestmark = pytest.mark.django_db


def person(name: str = "one") -> User:
    return User.objects.create(username=name, role=User.Role.REVIEWER)


def queue(items: int, seats: int = 1) -> list[ReviewItem]:
    items_add("test", [NewItem(str(number), f"prompt {number}", "reply") for number in range(items)], seats)
    return list(ReviewItem.objects.order_by("id"))


def claimed(user: User) -> Seat:
    seat = seat_claim(user)
    assert seat is not None
    return seat


def answer(user: User, word: str) -> Judgement:
    seat = claimed(user)
    return seat_answer(user, seat.pk, seat.token, word)


def run_out(seat: Seat) -> None:
    Seat.objects.filter(pk=seat.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


# --- adding ---


def test_an_item_that_a_rule_resolved_has_no_seat() -> None:
    items_add("test", [NewItem("1", "p", "r", resolution="unsafe"), NewItem("2", "p", "r")], 2)
    by_rule, waiting = ReviewItem.objects.order_by("id")
    assert (by_rule.resolved_by, by_rule.resolution, by_rule.seats.count()) == (DecidedBy.RULE, "unsafe", 0)
    assert (waiting.state, waiting.seats.count()) == (ReviewItem.State.OPEN, 2)


def test_a_subject_is_queued_once() -> None:
    queue(1)
    with pytest.raises(IntegrityError), transaction.atomic():
        queue(1)


# --- claiming ---


def test_seats_are_given_out_in_the_order_of_the_queue() -> None:
    items = queue(2)
    assert claimed(person("one")).item == items[0]
    assert claimed(person("two")).item == items[1]


def test_a_person_who_asks_again_gets_the_same_seat_with_the_lease_renewed() -> None:
    queue(2)
    user = person()
    first = claimed(user)
    Seat.objects.filter(pk=first.pk).update(lease_until=timezone.now() + timedelta(seconds=20))
    again = claimed(user)
    assert (again.pk, again.token) == (first.pk, first.token)
    assert again.lease_until is not None
    assert again.lease_until > timezone.now() + timedelta(minutes=4)


def test_a_lease_lasts_five_minutes() -> None:
    queue(1)
    left = claimed(person()).lease_until - timezone.now()
    assert timedelta(minutes=4, seconds=50) < left <= timedelta(minutes=5, seconds=1)


def test_a_seat_goes_to_somebody_else_when_its_lease_ran_out() -> None:
    queue(1)
    seat = claimed(person("one"))
    assert seat_claim(person("two")) is None
    run_out(seat)
    taken = claimed(User.objects.get(username="two"))
    assert (taken.pk, taken.token) == (seat.pk, seat.token + 1)


def test_an_empty_queue_gives_none() -> None:
    assert seat_claim(person()) is None


def test_nobody_gets_a_second_seat_of_one_item() -> None:
    queue(1, seats=2)
    user = person()
    answer(user, "safe")
    assert seat_claim(user) is None
    assert seat_claim(person("two")) is not None


def test_the_database_refuses_one_person_on_two_seats_of_an_item() -> None:
    queue(1, seats=2)
    user = person()
    claimed(user)
    with pytest.raises(IntegrityError), transaction.atomic():
        Seat.objects.filter(number=2).update(holder=user)


def test_claiming_takes_as_many_queries_for_a_long_queue_as_for_a_short_one() -> None:
    queue(2)
    with CaptureQueriesContext(connection) as short:
        claimed(person("one"))
    items_add("more", [NewItem(str(number), "p", "r") for number in range(300)], 2)
    with CaptureQueriesContext(connection) as long:
        claimed(person("two"))
    assert len(long) == len(short)


@pytest.mark.django_db(transaction=True)
def test_people_who_claim_at_once_never_get_the_same_seat() -> None:
    queue(12)
    people = [person(f"person {number}") for number in range(4)]

    def work(user: User) -> list[int]:
        try:
            given = []
            while seat := seat_claim(user):
                given.append(seat.pk)
                seat_answer(user, seat.pk, seat.token, "safe")
            return given
        finally:
            connection.close()

    with ThreadPoolExecutor(len(people)) as pool:
        given = [pk for seats in pool.map(work, people) for pk in seats]
    assert sorted(given) == list(Seat.objects.order_by("pk").values_list("pk", flat=True))


# --- answering ---


@pytest.mark.parametrize("word", ["safe", "unsafe"])
def test_the_only_seat_resolves_its_item(word: str) -> None:
    (item,) = queue(1)
    answer(person(), word)
    item.refresh_from_db()
    assert (item.state, item.resolution, item.resolved_by) == (ReviewItem.State.RESOLVED, word, DecidedBy.PERSON)
    assert item.resolved is not None


def test_cannot_tell_leaves_the_item_open_for_a_lead() -> None:
    (item,) = queue(1)
    answer(person(), "cannot_tell")
    item.refresh_from_db()
    assert (item.state, item.resolution) == (ReviewItem.State.OPEN, "")
    assert seat_claim(person("two")) is None


def test_two_people_who_agree_resolve_the_item_with_the_second_answer() -> None:
    (item,) = queue(1, seats=2)
    answer(person("one"), "unsafe")
    item.refresh_from_db()
    assert item.state == ReviewItem.State.OPEN
    answer(person("two"), "unsafe")
    item.refresh_from_db()
    assert (item.state, item.resolution) == (ReviewItem.State.RESOLVED, "unsafe")


@pytest.mark.parametrize("words", [("safe", "unsafe"), ("cannot_tell", "safe"), ("cannot_tell", "cannot_tell")])
def test_two_people_who_do_not_agree_leave_the_item_open(words: tuple[str, str]) -> None:
    (item,) = queue(1, seats=2)
    answer(person("one"), words[0])
    answer(person("two"), words[1])
    item.refresh_from_db()
    assert item.state == ReviewItem.State.OPEN


def test_a_late_answer_is_refused_when_somebody_else_has_the_seat() -> None:
    queue(1)
    late, other = person("late"), person("other")
    seat = claimed(late)
    run_out(seat)
    claimed(other)
    with pytest.raises(LeaseOver):
        seat_answer(late, seat.pk, seat.token, "safe")
    assert not Judgement.objects.exists()


def test_a_late_answer_counts_while_the_seat_is_free() -> None:
    (item,) = queue(1)
    late = person()
    seat = claimed(late)
    run_out(seat)
    seat_answer(late, seat.pk, seat.token, "safe")
    item.refresh_from_db()
    assert item.resolution == "safe"


def test_an_answer_to_a_seat_that_was_never_held_is_refused() -> None:
    queue(1)
    seat = Seat.objects.get()
    with pytest.raises(LeaseOver):
        seat_answer(person(), seat.pk, 0, "safe")


def test_an_old_token_is_refused_to_the_holder_too() -> None:
    queue(1)
    user = person()
    seat = claimed(user)
    run_out(seat)
    renewed = claimed(user)
    assert renewed.token == seat.token + 1
    with pytest.raises(LeaseOver):
        seat_answer(user, seat.pk, seat.token, "safe")


def test_an_answer_sent_twice_counts_once() -> None:
    queue(1)
    user = person()
    seat = claimed(user)
    first = seat_answer(user, seat.pk, seat.token, "safe")
    assert seat_answer(user, seat.pk, seat.token, "safe") == first
    assert Judgement.objects.count() == 1


def test_another_answer_to_an_answered_seat_is_refused() -> None:
    queue(1)
    user = person()
    seat = claimed(user)
    seat_answer(user, seat.pk, seat.token, "safe")
    with pytest.raises(LeaseOver):
        seat_answer(user, seat.pk, seat.token, "unsafe")


def test_an_unknown_word_is_no_answer() -> None:
    queue(1)
    user = person()
    seat = claimed(user)
    with pytest.raises(ValueError, match="no answer"):
        seat_answer(user, seat.pk, seat.token, "maybe")


def test_a_seat_that_does_not_exist_is_refused() -> None:
    with pytest.raises(LeaseOver):
        seat_answer(person(), 99, 1, "safe")


# --- skipping ---


def test_a_skipped_seat_comes_after_all_others() -> None:
    items = queue(3)
    user = person()
    seat = claimed(user)
    seat_skip(user, seat.pk, seat.token)
    order = []
    for _ in range(3):
        seat = claimed(user)
        order.append(seat.item)
        seat_answer(user, seat.pk, seat.token, "safe")
    assert order == [items[1], items[2], items[0]]


def test_a_seat_that_is_no_longer_held_cannot_be_skipped() -> None:
    queue(1)
    user = person()
    seat = claimed(user)
    seat_skip(user, seat.pk, seat.token)
    with pytest.raises(LeaseOver):
        seat_skip(user, seat.pk, seat.token)


# --- undoing ---


def test_undo_opens_the_item_again_and_keeps_the_answer_as_withdrawn() -> None:
    (item,) = queue(1)
    user = person()
    judgement = answer(user, "safe")
    seat = review_undo(user)
    item.refresh_from_db()
    judgement.refresh_from_db()
    assert seat is not None
    assert (seat.pk, seat.holder, seat.state) == (judgement.seat_id, user, Seat.State.LEASED)
    assert (item.state, item.resolution, item.resolved_by, item.resolved) == (ReviewItem.State.OPEN, "", "", None)
    assert judgement.withdrawn


def test_after_an_undo_the_person_is_shown_that_seat_and_may_answer_anew() -> None:
    (item, _) = queue(2)
    user = person()
    answer(user, "safe")
    next_seat = claimed(user)
    undone = review_undo(user)
    assert claimed(user) == undone
    assert next_seat != undone
    answer(user, "unsafe")
    item.refresh_from_db()
    assert item.resolution == "unsafe"


def test_undo_takes_back_one_answer_after_the_other() -> None:
    items = queue(2)
    user = person()
    answer(user, "safe")
    answer(user, "safe")
    assert [getattr(review_undo(user), "item", None) for _ in range(3)] == [items[1], items[0], None]


def test_undo_leaves_the_answers_of_others_alone() -> None:
    queue(1)
    judgement = answer(person("one"), "safe")
    assert review_undo(person("two")) is None
    judgement.refresh_from_db()
    assert not judgement.withdrawn


# --- the state of the queue ---


def test_the_state_of_the_queue_counts_for_the_person_who_looks() -> None:
    queue(4, seats=2)
    one, two = person("one"), person("two")
    answer(one, "safe")
    held = claimed(two)
    state = queue_state(one)
    assert (state.open, state.answered_by_me, state.done) == (4, 1, 1)
    # Item 0 is behind this person; the three others have a free seat, one of them also a taken one.
    assert (state.free, state.leased_by_others, state.total) == (3, 1, 4)
    other = queue_state(two)
    assert (other.free, other.leased_by_others, other.answered_by_me, other.total) == (3, 0, 0, 4)
    assert held.item.subject == "1"


def test_the_state_says_when_the_next_seat_comes_free() -> None:
    queue(1)
    seat = claimed(person("one"))
    state = queue_state(person("two"))
    assert (state.free, state.leased_by_others, state.next_free) == (0, 1, seat.lease_until)


def test_a_lease_that_ran_out_counts_as_free() -> None:
    queue(1)
    run_out(claimed(person("one")))
    state = queue_state(person("two"))
    assert (state.free, state.leased_by_others, state.next_free) == (1, 0, None)


def test_the_state_of_the_queue_takes_three_queries(django_assert_num_queries: object) -> None:
    queue(50, seats=2)
    user = person()
    with django_assert_num_queries(3):  # type: ignore[operator]
        queue_state(user)


def test_the_badge_counts_what_this_person_could_answer_now() -> None:
    queue(3, seats=2)
    one, two = person("one"), person("two")
    answer(one, "safe")
    claimed(one)
    assert (open_count(one), open_count(two)) == (2, 3)
    claimed(person("three"))
    assert open_count(one) == 2
