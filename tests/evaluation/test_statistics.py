from __future__ import annotations

import pytest

from evaluation.statistics import (
    Pairs,
    cohen_kappa,
    holm,
    mcnemar,
    paired_difference,
    rogan_gladen,
    stars,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(85, 100, 76.72, 90.69), (100, 100, 96.30, 100), (0, 100, 0, 3.70), (17, 20, 63.96, 94.76)],
)
def test_wilson_bounds_are_the_published_ones(successes, n, low, high):
    interval = wilson(successes, n)
    assert (round(interval.low * 100, 2), round(interval.high * 100, 2)) == (low, high)


def test_wilson_of_no_items_is_undefined():
    assert wilson(0, 0) is None


def test_wilson_refuses_more_successes_than_items():
    with pytest.raises(ValueError):
        wilson(3, 2)


@pytest.mark.parametrize(("b", "c", "p"), [(25, 10, 0.01667), (5, 5, 1), (0, 0, 1), (0, 6, 0.03125)])
def test_mcnemar_p_values_are_exact(b, c, p):
    assert mcnemar(b, c) == pytest.approx(p, abs=5e-6)
    assert mcnemar(c, b) == mcnemar(b, c)


def test_mcnemar_survives_many_thousand_discordant_items():
    assert mcnemar(3000, 3000) == 1
    assert 0 <= mcnemar(100, 5000) < 1e-300


def test_zero_against_ten_survives_fourteen_tests_and_zero_against_eight_does_not():
    assert holm([mcnemar(0, 10)] + [1.0] * 13)[0] < 0.05
    assert holm([mcnemar(0, 8)] + [1.0] * 13)[0] > 0.05


def test_holm_adjusts_by_rank_and_keeps_the_order_of_the_input():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_holm_of_nothing_is_nothing():
    assert holm([]) == []


@pytest.mark.parametrize(("p", "mark"), [(0.0009, "***"), (0.001, "**"), (0.01, "*"), (0.05, "n.s.")])
def test_stars_change_at_their_limits(p, mark):
    assert stars(p) == mark


def test_newcombes_own_paired_example_is_reproduced():
    # Newcombe 1998, example 36/12/2/0, method 10.
    interval = paired_difference(Pairs(both=36, only_base=2, only_tuned=12, neither=0))
    assert interval.value == pytest.approx(0.2)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.0569, 0.3404)


def test_a_paired_difference_of_no_items_is_undefined():
    assert paired_difference(Pairs(0, 0, 0, 0)) is None


def test_the_continuity_correction_of_phi_widens_the_interval():
    interval = paired_difference(Pairs(both=29, only_base=2, only_tuned=61, neither=16))
    # Without the correction (method 8) these would be 43.5 and 63.4.
    assert (round(interval.low * 100, 1), round(interval.high * 100, 1)) == (43.3, 63.6)


def test_exchanging_the_models_mirrors_the_paired_difference():
    one, other = paired_difference(Pairs(30, 5, 20, 10)), paired_difference(Pairs(30, 20, 5, 10))
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_kappa_of_the_golden_table():
    table = {("safe", "safe"): 45, ("safe", "unsafe"): 5, ("unsafe", "safe"): 5, ("unsafe", "unsafe"): 45}
    assert cohen_kappa(table) == pytest.approx(0.80)


def test_kappa_is_undefined_when_both_raters_use_one_label():
    assert cohen_kappa({("safe", "safe"): 40}) is None
    assert cohen_kappa({}) is None


def test_kappa_is_zero_when_only_one_rater_never_varies():
    assert cohen_kappa({("safe", "safe"): 30, ("unsafe", "safe"): 10}) == pytest.approx(0)


def test_rogan_gladen_of_the_golden_case():
    assert rogan_gladen(0.20, 0.90, 0.95) == pytest.approx(0.17647, abs=5e-6)


def test_rogan_gladen_is_unavailable_for_a_judge_that_tells_nothing():
    assert rogan_gladen(0.2, 0.5, 0.55) is None


def test_rogan_gladen_stays_within_zero_and_one():
    assert rogan_gladen(0.01, 0.9, 0.9) == 0
    assert rogan_gladen(1.0, 0.8, 0.9) == 1
