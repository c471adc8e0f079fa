"""Rejection sampling, augmentation plan and the limit of perplexity."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.balance import augmentation_plan, perplexity_limit, reject

COUNTS = st.dictionaries(st.sampled_from(["OFF", "UB", "CIA", "PP", "EM", "DT"]), st.integers(1, 40), min_size=1)


def rows(**counts: int) -> list[tuple[str, str]]:
    return [(f"{category}{n}", category) for category, number in counts.items() for n in range(number)]


def kept_counts(data: list[tuple[str, str]], kept: list[str]) -> Counter[str]:
    category = dict(data)
    return Counter(category[row_id] for row_id in kept)


def test_a_quota_cuts_the_large_categories_alone() -> None:
    data = rows(CIA=50, EX=3)
    kept, rejected = reject(data, quota=10, seed=1)
    assert kept_counts(data, kept) == {"CIA": 10, "EX": 3}
    assert len(rejected) == 40


def test_a_quota_by_category_leaves_the_others_whole() -> None:
    data = rows(CIA=50, OFF=30)
    assert kept_counts(data, reject(data, quota={"CIA": 5}, seed=1)[0]) == {"CIA": 5, "OFF": 30}


def test_a_largest_share_cuts_no_more_than_it_must() -> None:
    data = rows(CIA=900, OFF=60, UB=40)
    assert kept_counts(data, reject(data, max_share=0.5, seed=1)[0]) == {"CIA": 100, "OFF": 60, "UB": 40}


def test_no_category_is_cut_below_its_quota_by_the_share() -> None:
    data = rows(CIA=900, OFF=60, UB=40)
    assert kept_counts(data, reject(data, max_share=0.5, quota=300, seed=1)[0])["CIA"] == 300


def test_too_few_categories_for_the_share_become_equal() -> None:
    data = rows(CIA=30, OFF=10)
    assert kept_counts(data, reject(data, max_share=0.2, seed=1)[0]) == {"CIA": 10, "OFF": 10}


@given(COUNTS, st.floats(0.05, 1))
def test_the_share_holds_or_all_categories_are_equal(counts: dict[str, int], share: float) -> None:
    data = rows(**counts)
    kept = kept_counts(data, reject(data, max_share=share, seed=3)[0])
    largest, total = max(kept.values()), sum(kept.values())
    assert largest <= share * total + 1e-6 or len(set(kept.values())) == 1


@given(COUNTS, st.floats(0.2, 1))
def test_one_row_more_in_the_cut_categories_would_break_the_share(counts: dict[str, int], share: float) -> None:
    data = rows(**counts)
    kept = kept_counts(data, reject(data, max_share=share, seed=3)[0])
    top = max(kept.values()) + 1
    if any(counts[category] >= top for category in counts) and len(set(kept.values())) > 1:
        more = [min(number, top) for number in counts.values()]
        assert max(more) > share * sum(more) - 1e-6


def test_the_choice_depends_on_seed_and_ids_not_on_the_order() -> None:
    data = rows(CIA=100)
    kept = reject(data, quota=10, seed=1)[0]
    assert set(reject(data[::-1], quota=10, seed=1)[0]) == set(kept)
    assert set(reject(data, quota=10, seed=2)[0]) != set(kept)


def test_both_lists_keep_the_order_given_and_lose_nothing() -> None:
    data = rows(CIA=20, OFF=5)
    kept, rejected = reject(data, quota=6, seed=1)
    order = [row_id for row_id, _ in data]
    assert sorted(kept, key=order.index) == kept
    assert sorted(kept + rejected, key=order.index) == order


def test_new_rows_push_out_few_of_those_kept() -> None:
    before = set(reject(rows(CIA=1000), quota=100, seed=1)[0])
    after = set(reject(rows(CIA=1100), quota=100, seed=1)[0])
    assert len(before & after) > 80


@pytest.mark.parametrize("share", [0.0, 1.5, -1.0])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="largest share"):
        reject(rows(CIA=1), max_share=share, seed=1)


def test_rejection_without_any_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="Give a quota"):
        reject(rows(CIA=1), seed=1)


def test_the_plan_names_what_is_missing_the_shortest_first() -> None:
    assert augmentation_plan({"CIA": 900, "EX": 10, "PR": 400}, 500) == {"EX": 490, "PR": 100}


def test_a_category_without_rows_is_planned_when_the_target_names_it() -> None:
    assert augmentation_plan({"CIA": 5}, {"CIA": 5, "PS": 7}) == {"PS": 7}


def test_negative_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        augmentation_plan({"CIA": 5}, -1)


@pytest.mark.parametrize(("quantile", "limit"), [(0.1, 1.0), (0.5, 5.0), (0.95, 10.0), (1, 10.0)])
def test_the_perplexity_limit_is_a_value_that_occurs(quantile: float, limit: float) -> None:
    values = [float(n) for n in range(10, 0, -1)]
    assert perplexity_limit(values, quantile) == limit
    assert sum(value <= limit for value in values) >= quantile * 10


@pytest.mark.parametrize(("values", "quantile"), [([], 0.5), ([2.0], 0), ([2.0], 1.1), ([0.5], 0.5)])
def test_a_perplexity_limit_needs_good_input(values: list[float], quantile: float) -> None:
    with pytest.raises(ValueError, match="perplexity"):
        perplexity_limit(values, quantile)
