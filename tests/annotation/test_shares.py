from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.shares import difference

COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_the_interval_is_the_published_one() -> None:
    found = difference(7, 10, 3, 10)
    assert found is not None
    # p1 = 8/12, p2 = 4/12: 1/3 ± 1.96 · √(2 · (2/9) / 12)
    assert (round(found.value, 3), round(found.low, 3), round(found.high, 3)) == (0.4, -0.044, 0.711)


def test_a_group_without_prompts_has_no_difference() -> None:
    assert difference(0, 0, 1, 2) is None


def test_more_successes_than_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        difference(3, 2, 0, 1)


@given(COUNTS, COUNTS)
def test_the_interval_holds_the_difference_and_turns_with_the_groups(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    found, turned = difference(*one, *other), difference(*other, *one)
    assert found and turned
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (found.value, found.low) == pytest.approx((-turned.value, -turned.high))
