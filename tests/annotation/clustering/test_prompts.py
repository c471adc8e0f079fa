from __future__ import annotations

from annotation.clustering.proposers.base import Material
from annotation.clustering.proposers.prompts import propose
from annotation.clustering.proposing import proposed

# Two themes, each under two names that share no character; every prompt has one name of a theme, and one of a third.
FIRST, SECOND = "文物{}的买卖在哪里进行", "考试{}的答案怎样得到"
THEMES = {"甲乙": FIRST, "丙丁": FIRST, "戊己": SECOND, "庚辛": SECOND}
BESIDE = {"甲乙": "壬癸", "丙丁": "壬癸", "戊己": "子丑", "庚辛": "子丑"}


def made(*, together: bool = False) -> Material:
    """Twenty prompts of each name; with `together`, the two names of the first theme stand on the same ones."""
    samples: dict[str, list[str]] = {}
    used: dict[str, set[int]] = {}
    for at, (name, text) in enumerate(THEMES.items()):
        for number in range(20):
            prompt = (0 if together and name == "丙丁" else at) * 100 + number
            for label in (name, BESIDE[name]):
                samples.setdefault(label, []).append(text.format(prompt))
                used.setdefault(label, set()).add(prompt)
    return Material(list(samples), samples, {label: frozenset(ids) for label, ids in used.items()})


def test_names_of_prompts_that_say_the_same_stand_together() -> None:
    assert proposed(made(), "prompts") == [["丙丁", "甲乙"], ["庚辛", "戊己"]]


def test_labels_on_the_same_prompts_are_two_themes() -> None:
    assert proposed(made(together=True), "prompts") == [["庚辛", "戊己"]]


def test_a_label_beside_which_another_stands_is_not_taken_for_it() -> None:
    found = {(pair.first, pair.second) for pair in propose(made())}
    assert ("壬癸", "甲乙") not in found


def test_labels_without_prompts_are_passed_over() -> None:
    material = made()
    more = Material([*material.labels, "无题"], material.samples, material.used)
    assert set(propose(more)) == set(propose(material))
