from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annotation.clustering.grouping import blended, grouped
from annotation.clustering.proposers.base import Pair, paired

LABEL = st.sampled_from("abcdefghij")
COUPLE = st.tuples(LABEL, LABEL).filter(lambda two: two[0] != two[1]).map(lambda two: (min(two), max(two)))
WEIGHTS = st.dictionaries(COUPLE, st.floats(0, 1))


@given(WEIGHTS)
def test_groups_are_disjoint_and_hold_two_labels_at_least(weights: dict[tuple[str, str], float]) -> None:
    groups = grouped(weights)
    labels = [label for group in groups for label in group]
    assert len(labels) == len(set(labels))
    assert all(len(group) > 1 for group in groups)


@given(WEIGHTS, st.lists(COUPLE))
def test_a_refused_couple_never_stands_together(
    weights: dict[tuple[str, str], float], refused: list[tuple[str, str]]
) -> None:
    of = {label: at for at, group in enumerate(grouped(weights, refused=refused)) for label in group}
    assert all(of.get(first, first) != of.get(second, second) for first, second in refused)


@given(WEIGHTS, st.randoms(use_true_random=False))
def test_the_order_of_couples_does_not_matter(weights: dict[tuple[str, str], float], random: st.DataObject) -> None:
    turned = list(weights.items())
    random.shuffle(turned)
    assert grouped(dict(turned)) == grouped(weights)


@given(WEIGHTS)
def test_every_group_is_held_by_a_sure_couple(weights: dict[tuple[str, str], float]) -> None:
    sure = {couple for couple, weight in weights.items() if weight >= 0.7}
    assert all(any({*couple} <= {*group} for couple in sure) for group in grouped(weights))


def test_the_surer_couple_wins_where_both_cannot_be() -> None:
    weights = {("a", "b"): 0.8, ("b", "c"): 0.9}
    assert grouped(weights, refused=[("c", "a")]) == [["b", "c"]]


def test_one_couple_does_not_join_two_large_groups() -> None:
    one = {("a", "b"): 0.9, ("a", "c"): 0.9, ("b", "c"): 0.9}
    other = {("d", "e"): 0.9, ("d", "f"): 0.9, ("e", "f"): 0.9}
    assert grouped({**one, **other, ("c", "d"): 0.8}) == [["a", "b", "c"], ["d", "e", "f"]]


def test_evidence_of_two_kinds_is_surer_than_either() -> None:
    pairs = [paired("b", "a", "B", "containment", 0.6), paired("a", "b", "C", "prompts", 0.5)]
    assert blended(pairs) == {("a", "b"): 0.8}


def test_evidence_of_one_kind_counts_once() -> None:
    pairs = [Pair("a", "b", "B", "containment", 0.6), Pair("a", "b", "B", "containment", 0.5)]
    assert blended(pairs) == {("a", "b"): 0.6}
