"""The review queue over the API: leased seats, blind answers, one person an item."""

from __future__ import annotations

from typing import Any

from annotation.models import Judgement, Seat
from tests.api.calls import Program, fields, problem
from tests.factories import make_queue, make_user

HIDDEN = {"judge": "uncertain", "model": "base"}


def take(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = program.send("review/take/").json()["item"]
    return found


def answer(program: Program, item: dict[str, Any], word: str = "safe") -> Any:
    return program.send("review/answer/", {"seat": item["seat"], "token": item["token"], "answer": word})


def test_nothing_of_the_judge_is_told_before_the_own_answer(reviewer_api: Program) -> None:
    make_queue(1, hidden=HIDDEN)
    response = reviewer_api.send("review/take/")
    assert set(response.json()["item"]) == {
        *("seat", "token", "leased_until", "prompt", "response", "language", "corpus", "category"),
    }
    assert b"uncertain" not in response.content
    stored = answer(reviewer_api, response.json()["item"]).json()
    assert (stored["answer"], stored["judge"], stored["model"]) == ("safe", "uncertain", "base")


def test_looking_takes_no_seat(reviewer_api: Program) -> None:
    make_queue(2)
    assert reviewer_api.ask("review/").json()["free"] == 2
    assert not Seat.objects.exclude(state=Seat.State.OPEN).exists()


def test_a_seat_is_one_persons(reviewer_api: Program) -> None:
    make_queue(1)
    item = take(reviewer_api)
    other = Program(make_user("another", "reviewer"))
    assert take(other) is None
    problem(answer(other, item), 404)
    assert answer(reviewer_api, item).status_code == 200


def test_an_answer_is_stored_once(reviewer_api: Program) -> None:
    make_queue(1)
    item = take(reviewer_api)
    assert [answer(reviewer_api, item).status_code for _ in range(2)] == [200, 200]
    problem(answer(reviewer_api, item, "unsafe"), 409)
    assert Judgement.objects.count() == 1


def test_a_seat_that_went_to_somebody_else_is_told(reviewer_api: Program) -> None:
    make_queue(1)
    item = take(reviewer_api)
    Seat.objects.update(holder=make_user("another", "reviewer"), token=item["token"] + 1)
    problem(answer(reviewer_api, item), 409)


def test_a_skipped_item_comes_back_last(reviewer_api: Program) -> None:
    make_queue(2)
    first = take(reviewer_api)
    seat = {"seat": first["seat"], "token": first["token"]}
    assert reviewer_api.send("review/skip/", seat).json()["free"] == 2
    assert take(reviewer_api)["prompt"] == "question 2"
    problem(reviewer_api.send("review/skip/", seat), 409)


def test_an_answer_is_taken_back(reviewer_api: Program) -> None:
    make_queue(1)
    item = take(reviewer_api)
    answer(reviewer_api, item)
    assert reviewer_api.send("review/undo/").json()["item"]["prompt"] == "question 1"
    assert reviewer_api.send("review/undo/").json()["item"] is None


def test_an_unknown_word_is_no_answer(reviewer_api: Program) -> None:
    make_queue(1)
    assert fields(answer(reviewer_api, take(reviewer_api), "maybe")) == {"answer"}


def test_a_lead_takes_no_seat(lead_api: Program) -> None:
    make_queue(1)
    problem(lead_api.send("review/take/"), 403)
    assert lead_api.ask("review/").json()["open"] == 1


def test_the_queue_costs_the_same_for_many(reviewer_api: Program, django_assert_num_queries: Any) -> None:
    make_queue(6)
    with django_assert_num_queries(5):  # token and its use, items, seats, answers
        reviewer_api.ask("review/")
