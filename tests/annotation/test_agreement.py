"""Agreement statistics against another implementation and against values worked out by hand."""

from __future__ import annotations

import random

import krippendorff
import pytest

from annotation.agreement import agreement

WORDS = "abcd"


def made(seed: int, units: int, people: int) -> list[list[str]]:
    """Answers of people who mostly agree; some answers are missing."""
    chance = random.Random(seed)
    found = []
    for _ in range(units):
        truth = chance.choice(WORDS)
        row = [truth if chance.random() < 0.8 else chance.choice(WORDS) for _ in range(people)]
        found.append([one for one in row if chance.random() < 0.9])
    return found


def reference(answers: list[list[str]]) -> float:
    counts = [[row.count(word) for word in WORDS] for row in answers if len(row) > 1]
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


@pytest.mark.parametrize(("seed", "units", "people"), [(1, 40, 2), (2, 200, 3), (3, 15, 5)])
def test_alpha_is_that_of_the_krippendorff_package(seed: int, units: int, people: int) -> None:
    answers = made(seed, units, people)
    assert agreement(answers).alpha == pytest.approx(reference(answers), abs=1e-6)


def test_a_weight_counts_a_unit_as_often_as_it_says() -> None:
    answers = made(4, 30, 2)
    weights = [1 + place % 3 for place in range(30)]
    repeated = [row for row, times in zip(answers, weights, strict=True) for _ in range(times)]
    weighted, unrolled = agreement(answers, weights), agreement(repeated)
    assert (weighted.percent, weighted.alpha, weighted.ac1) == pytest.approx(
        (unrolled.percent, unrolled.alpha, unrolled.ac1), abs=1e-9
    )


def test_ac1_of_a_worked_example() -> None:
    """Two people, 125 units: 118 times "a" by both, 5 times one of them, 2 times "b" by both (Gwet 2008, table 1)."""
    answers = [["a", "a"]] * 118 + [["a", "b"]] * 5 + [["b", "b"]] * 2
    found = agreement(answers)
    share = (118 + 2.5) / 125
    chance = 2 * share * (1 - share)
    assert found.ac1 == pytest.approx((120 / 125 - chance) / (1 - chance))
    assert found.percent == pytest.approx(96.0)


def test_equal_answers_leave_alpha_undefined() -> None:
    found = agreement([["a", "a"], ["a", "a"]])
    assert (found.percent, found.alpha, found.interval, found.ac1, found.undefined) == (100, None, None, None, True)


def test_one_answer_alone_does_not_count() -> None:
    assert agreement([["a"], []]).units == 0


def test_the_interval_holds_alpha_and_is_always_the_same() -> None:
    answers = made(5, 60, 2)
    found = agreement(answers)
    assert found.interval and found.alpha
    assert found.interval[0] < found.alpha < found.interval[1]
    assert agreement(answers).interval == found.interval


def test_prevalence_is_the_share_of_all_answers() -> None:
    assert agreement([["a", "a"], ["a", "b"]]).prevalence == {"a": 0.75, "b": 0.25}
