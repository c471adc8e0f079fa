"""When calls may go: on a clock that only moves when the test says so."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest

from madsafe_web.core.llm.limiter import MOST_OPENINGS, Limiter, seconds


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limiter(clock: Clock, **given: Any) -> Limiter:
    return Limiter(clock=clock, jitter=random.Random(1), **given)


def waits(made: Limiter, count: int, tokens: float = 0) -> list[float]:
    return [round(made.reserve(tokens), 3) for _ in range(count)]


def test_without_limits_every_call_may_go(clock: Clock) -> None:
    assert waits(limiter(clock), 100) == [0.0] * 100


def test_calls_go_evenly_spaced_after_a_short_burst(clock: Clock) -> None:
    assert waits(limiter(clock, rpm=600), 5) == [0.0, 0.0, 0.1, 0.2, 0.3]


def test_time_that_nobody_used_is_not_saved_up(clock: Clock) -> None:
    made = limiter(clock, rpm=600)
    waits(made, 2)
    clock.now += 100
    assert waits(made, 3) == [0.0, 0.0, 0.1]


def test_tokens_have_a_limit_of_their_own(clock: Clock) -> None:
    assert waits(limiter(clock, tpm=6000), 3, tokens=100) == [0.0, 0.9, 1.9]


def test_a_part_of_the_limits_is_that_much_slower(clock: Clock) -> None:
    calls, tokens = limiter(clock, rpm=600), limiter(clock, tpm=6000)
    calls.share(2)
    tokens.share(2)
    assert waits(calls, 4) == [0.0, 0.1, 0.3, 0.5]
    assert waits(tokens, 3, tokens=100) == [0.0, 1.9, 3.9]


def test_what_is_given_back_is_counted_by_the_part_too(clock: Clock) -> None:
    made = limiter(clock, tpm=6000)
    made.share(3)
    made.reserve(100)
    made.settle(reserved=100, used=0)
    assert waits(made, 1, tokens=100) == [0.0]


def test_tokens_that_were_not_used_are_given_back(clock: Clock) -> None:
    made = limiter(clock, tpm=6000)
    made.reserve(100)
    made.settle(reserved=100, used=10)
    assert waits(made, 1, tokens=100) == [0.0]


def test_a_refusal_is_a_cool_down_for_all_for_as_long_as_the_server_asked(clock: Clock) -> None:
    made = limiter(clock)
    made.refused(7)
    assert made.quiet() == 7
    assert made.reserve(0) == 7
    clock.now += 7
    assert made.quiet() == 0


@pytest.mark.parametrize("asked", [86400, float("inf")])
def test_nothing_waits_longer_than_the_longest_wait_whatever_the_server_asks(clock: Clock, asked: float) -> None:
    made = limiter(clock, longest_wait=60)
    made.refused(asked)
    assert made.quiet() == 60


def test_a_refusal_without_a_word_waits_up_to_a_bound_that_doubles(clock: Clock) -> None:
    made = limiter(clock, backoff=1.0)
    for bound in (2, 4, 8, 16):
        made.refused(None)
        assert 0 < made.quiet() <= bound
        clock.now += made.quiet()


def test_the_first_refusal_leaves_nine_tenths_of_what_went_through(clock: Clock) -> None:
    made = limiter(clock)
    for _ in range(200):
        made.succeeded()
    made.refused(0)
    first, second, third, fourth = (made.reserve(0) for _ in range(4))
    assert fourth - third == pytest.approx(1 / 180, abs=1e-6)


def test_refusals_of_one_moment_slow_down_once(clock: Clock) -> None:
    made = limiter(clock)
    for _ in range(100):
        made.succeeded()
    for _ in range(20):
        made.refused(1)
    first, second = (made.reserve(0) for _ in range(2))
    assert second - first == pytest.approx(1 / 90, abs=1e-3)


def test_the_rate_grows_again_while_nothing_is_refused(clock: Clock) -> None:
    made = limiter(clock)
    for _ in range(100):
        made.succeeded()
    made.refused(0)
    for _ in range(10):
        clock.now += 1
        made.reserve(0)
    first, second = [made.reserve(0) for _ in range(30)][-2:]
    assert 95 < 1 / (second - first) < 101


def test_failures_one_after_the_other_open_the_circuit(clock: Clock) -> None:
    made = limiter(clock, trip=3)
    for _ in range(2):
        made.failed()
    assert not made.open and not made.quiet()
    made.failed()
    assert made.open and made.quiet() == 2


def test_a_success_closes_the_circuit(clock: Clock) -> None:
    made = limiter(clock, trip=3)
    for _ in range(3):
        made.failed()
    made.succeeded()
    assert not made.open


def test_a_whole_answer_closes_the_circuit_though_it_is_no_completion(clock: Clock) -> None:
    made = limiter(clock, trip=3)
    for _ in range(3):
        made.failed()
    made.answered()
    assert not made.open


def test_failures_with_a_success_between_them_are_no_streak(clock: Clock) -> None:
    made = limiter(clock, trip=3)
    for _ in range(10):
        made.failed()
        made.succeeded()
    assert not made.open


def test_a_circuit_that_stays_open_is_broken_after_about_two_minutes(clock: Clock) -> None:
    made, began = limiter(clock, trip=1), clock.now
    while not made.broken:
        made.failed()
        clock.now += made.quiet()
    assert MOST_OPENINGS * 10 < clock.now - began < 300


def test_a_server_without_places_left_is_waited_for(clock: Clock) -> None:
    made = limiter(clock)
    made.heed({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "9s"})
    assert made.quiet() == 0
    made.heed({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "3s"})
    assert made.quiet() == 3


def test_where_the_limit_is_told_the_wait_is_for_one_place(clock: Clock) -> None:
    made = limiter(clock)
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m0s"}
    made.heed({**headers, "x-ratelimit-limit-requests": "60"})
    assert made.quiet() == 1


@pytest.mark.parametrize(
    ("text", "expected"), [("6m0s", 360), ("20ms", 0.02), ("1.5", 1.5), ("1h2m", 3720), ("soon", 0), ("1..5s", 0)]
)
def test_durations_are_read_as_servers_write_them(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)
