"""What holds for every proposer of the registry."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from annotation.clustering.proposers.base import Material, Proposer
from annotation.clustering.proposing import LETTERS, proposers
from tests.annotation.clustering.gold import OWN, names_of

PROPOSERS = proposers()
NAMES = [*names_of(OWN), "", "!!!", "😀", "123", "Налог", "x" * 500]
TEXTS = ["如何做甲", "甲的做法是什么", "乙在哪里", "乙的地点", "a question about c"]
MATERIAL = Material(
    NAMES,
    {name: [TEXTS[at % 5], TEXTS[(at + 1) % 5]] for at, name in enumerate(NAMES)},
    {name: frozenset({at, at + 1000}) for at, name in enumerate(NAMES)},
)
EMPTY = [Material([]), Material(["甲"]), Material(["甲", "乙"], {"甲": ["一"], "乙": ["二"]})]


@pytest.fixture(params=PROPOSERS)
def proposer(request: pytest.FixtureRequest) -> Proposer:
    return PROPOSERS[request.param]


def test_there_is_a_proposer_for_each_letter() -> None:
    assert {proposer.letter for proposer in PROPOSERS.values()} == set(LETTERS["prompts"])


def test_pairs_are_of_two_labels_in_order_with_a_weight(proposer: Proposer) -> None:
    for pair in proposer.propose(MATERIAL):
        assert pair.first < pair.second
        assert {pair.first, pair.second} <= set(NAMES)
        assert 0 < pair.weight <= 1


def test_pairs_name_the_letter_and_a_kind_of_their_proposer(proposer: Proposer) -> None:
    pairs = list(proposer.propose(MATERIAL))
    assert {pair.letter for pair in pairs} <= {proposer.letter}
    assert {pair.kind for pair in pairs} <= set(proposer.kinds)


def test_no_pair_comes_twice_with_one_kind(proposer: Proposer) -> None:
    found = [(pair.first, pair.second, pair.kind) for pair in proposer.propose(MATERIAL)]
    assert len(found) == len(set(found))


def test_the_order_of_the_labels_does_not_matter(proposer: Proposer) -> None:
    turned = list(NAMES)
    random.Random(5).shuffle(turned)
    other = Material(turned, MATERIAL.samples, MATERIAL.used)
    assert set(proposer.propose(other)) == set(proposer.propose(MATERIAL))


@pytest.mark.parametrize("material", EMPTY, ids=["none", "one", "two"])
def test_few_labels_are_no_error(proposer: Proposer, material: Material) -> None:
    assert list(proposer.propose(material)) == []


def test_only_what_needs_prompts_looks_at_them(proposer: Proposer) -> None:
    without = list(proposer.propose(Material(NAMES)))
    assert (without == []) == proposer.needs_prompts


def test_what_the_site_uses_loads_neither_django_nor_scikit_learn() -> None:
    used = "annotation.clustering.confidence, annotation.clustering.grouping, annotation.clustering.proposers.exact"
    code = f"import sys, {used}; print({{'django', 'sklearn', 'scipy', 'rapidfuzz'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
