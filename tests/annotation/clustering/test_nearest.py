from __future__ import annotations

import numpy as np
import pytest

from annotation.clustering.nearest import UNDECIDED, links, nearest, support


def test_a_label_takes_the_category_of_what_it_is_linked_to() -> None:
    assert nearest([("a", "b", "A", 1.0)], {"b": "OFF"})["a"] == ("OFF", pytest.approx(0.99))


def test_what_is_linked_to_two_categories_is_less_sure() -> None:
    category, score = nearest([("a", "b", "B", 0.8), ("a", "c", "B", 0.8)], {"b": "OFF", "c": "UB"})["a"]
    assert category == "OFF"
    assert score == pytest.approx(0.4)


def test_links_of_several_letters_add_up() -> None:
    score = nearest([("a", "b", "B", 0.5), ("a", "b", "C", 0.5)], {"b": "OFF"})["a"][1]
    assert score == pytest.approx(0.75)


def test_a_label_without_a_decided_neighbour_has_none() -> None:
    assert nearest([("a", "b", "A", 1.0)], {}) == {}
    assert "a" not in nearest([("a", "b", "A", 1.0), ("c", "d", "A", 1.0)], {"c": "OFF"})


def test_the_decision_about_a_label_says_nothing_of_itself() -> None:
    found = support(links([("a", "b", "A", 0.9)], ["a", "b"]), np.array([0, UNDECIDED]), 2)
    assert found[0, 0].tolist() == [0.0, 0.0]
    assert found[0, 1].tolist() == pytest.approx([0.9, 0.0])


def test_pairs_of_other_labels_are_left_out() -> None:
    assert links([("a", "x", "A", 0.9)], ["a", "b"]).source.size == 0
