"""The order of the examples of a label, and of labels on the page."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from annotation.clustering.examples import examples_order
from annotation.clustering.reading import reading_order

USUAL = ["如何分辨文物真假", "怎样分辨文物的真假", "文物真假如何分辨呢", "文物的真假怎样看"]


def test_the_most_unlike_example_follows_the_central_ones() -> None:
    order = examples_order([*USUAL[:2], "完全另一件事", *USUAL[2:]])
    assert order[3] == 2
    assert 2 not in order[:3]


@given(st.lists(st.text(max_size=20), max_size=12))
def test_every_example_is_shown_once(texts: list[str]) -> None:
    assert sorted(examples_order(texts)) == list(range(len(texts)))


def test_labels_that_belong_together_are_read_together() -> None:
    weights = {("a", "d"): 0.9, ("b", "e"): 0.9, ("c", "f"): 0.9, ("a", "b"): 0.3}
    order = reading_order(list("abcdef"), weights)
    assert sorted(order) == list("abcdef")
    assert all(abs(order.index(one) - order.index(other)) == 1 for one, other in ["ad", "be", "cf"])


def test_the_reading_order_does_not_depend_on_the_order_of_labels() -> None:
    labels = [f"l{number:02}" for number in range(20)]
    chance = random.Random(2)
    weights = {(one, other): chance.random() for one in labels for other in labels if one < other}
    turned = list(labels)
    chance.shuffle(turned)
    assert reading_order(turned, weights) == reading_order(labels, weights)


def test_a_label_alone_is_read_alone() -> None:
    assert reading_order(["a"], {}) == ["a"]
    assert reading_order([], {}) == []
