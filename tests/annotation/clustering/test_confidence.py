from __future__ import annotations

import numpy as np
import pytest

from annotation.clustering.confidence import FEATURES, FIXED, Weights, confidence, features, fit
from annotation.clustering.nearest import UNDECIDED, links

NONE = np.array([UNDECIDED, UNDECIDED])


def of(*, decided: list[int], suggested: list[int], sure: float = 0.9) -> np.ndarray:
    found = links([("a", "b", "A", 1.0)], ["a", "b"])
    return features(found, np.array(decided), np.array(suggested), np.full(2, sure), 3)


def test_a_key_in_common_with_a_decided_label_is_nearly_sure() -> None:
    sure = confidence(of(decided=[UNDECIDED, 1], suggested=[UNDECIDED, UNDECIDED]))
    assert sure[0, 1] == pytest.approx(0.9, abs=0.03)
    assert sure[0, [0, 2]].max() < 0.1


def test_a_suggestion_alone_is_believed_in_part() -> None:
    sure = confidence(of(decided=[UNDECIDED, UNDECIDED], suggested=[2, UNDECIDED]))
    assert 0.5 < sure[0, 2] < 0.75


def test_evidence_and_suggestion_that_differ_make_both_less_sure() -> None:
    agreed = confidence(of(decided=[UNDECIDED, 1], suggested=[1, UNDECIDED]))[0, 1]
    differing = confidence(of(decided=[UNDECIDED, 1], suggested=[2, UNDECIDED]))[0]
    assert agreed > 0.95
    assert differing[1] < agreed
    assert differing[2] < 0.5


def test_the_features_of_a_label_do_not_know_its_own_decision() -> None:
    before = of(decided=[UNDECIDED, 1], suggested=[0, UNDECIDED])[0]
    after = of(decided=[2, 1], suggested=[0, UNDECIDED])[0]
    assert before.tolist() == after.tolist()


def test_fewer_than_fifty_decisions_leave_the_fixed_weights() -> None:
    assert fit(np.zeros((49, 3, len(FEATURES))), np.zeros(49, dtype=int)) == FIXED


def judged(right: float, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Labels with a suggestion for the first category, of which that share is decided so."""
    random = np.random.default_rng(3)
    found = links([], range(count))
    suggested = np.zeros(count, dtype=int)
    seen = features(found, np.full(count, UNDECIDED), suggested, np.full(count, 0.9), 3)
    return seen, np.where(random.random(count) < right, 0, 1 + random.integers(0, 2, count))


@pytest.mark.parametrize("right", [0.5, 0.8, 0.95])
def test_what_was_decided_calibrates_the_confidence(right: float) -> None:
    seen, decided = judged(right)
    weights = fit(seen, decided)
    assert weights.decisions == len(decided)
    assert confidence(seen, weights)[:, 0].mean() == pytest.approx((decided == 0).mean(), abs=0.05)


def test_decisions_that_all_agree_leave_the_weights_finite() -> None:
    seen, decided = judged(1.0)
    weights = fit(seen, decided)
    assert np.isfinite([*weights.values, weights.constant]).all()


def test_confidence_lies_between_nothing_and_certainty() -> None:
    seen = np.random.default_rng(1).random((20, 5, len(FEATURES)))
    sure = confidence(seen, Weights(tuple([40.0] * len(FEATURES)), -20.0))
    assert sure.min() >= 0
    assert sure.max() <= 1
