from __future__ import annotations

from annotation.label_use import combine

USE = combine([(1, 10), (1, 11), (2, 10), (3, 10), (3, 11), (3, 11), (4, 12)])


def test_prompts_with_the_same_labels_are_one_combination() -> None:
    assert USE.combinations == {frozenset({10, 11}): 2, frozenset({10}): 1, frozenset({12}): 1}


def test_a_label_counts_each_prompt_once() -> None:
    assert USE.counts == {10: 3, 11: 2, 12: 1}
    assert USE.prompts == 4


def test_a_prompt_is_within_labels_that_hold_all_of_its_own() -> None:
    assert [USE.prompts_within(labels) for labels in ([], [10], [10, 11], [10, 11, 12])] == [0, 1, 3, 4]


def test_a_prompt_counts_once_in_each_group_of_its_labels() -> None:
    assert USE.prompts_by({10: "A", 11: "A", 12: "B"}) == {"A": 3, "B": 1}
    assert USE.prompts_by({10: "A", 11: "B"}) == {"A": 3, "B": 2}


def test_neighbours_come_by_the_number_of_shared_prompts() -> None:
    use = combine([(1, 1), (1, 2), (2, 1), (2, 3), (3, 1), (3, 3)])
    assert use.together(1, 5) == [3, 2]
    assert use.together(1, 1) == [3]
    assert (use.alone(1), USE.alone(10)) == (0, 1)
