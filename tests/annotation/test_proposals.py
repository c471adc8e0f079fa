"""What the merge page proposes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from annotation.clustering.nearest import links
from annotation.label_use import label_use
from annotation.merge import gathering
from annotation.merge.deciding import labels_refuse
from annotation.merge.proposals import Proposal, proposals
from annotation.models import IntentLabel, LabelPair, MergeMap
from madsafe_web.core.models import User
from tests.factories import make_label, make_map, make_prompts, make_run, make_suggestion, make_user

pytestmark = pytest.mark.django_db


def labels_on(*numbers: int) -> list[IntentLabel]:
    """Labels "a", "b", … on so many prompts of their own each."""
    prompts = iter(make_prompts(sum(numbers)))
    return [make_label(chr(97 + at), [next(prompts) for _ in range(n)]) for at, n in enumerate(numbers)]


def paired(*pairs: tuple[IntentLabel, IntentLabel], weight: float = 0.95) -> None:
    run = make_run("propose")
    rows = [LabelPair(run=run, first=a, second=b, letter="B", kind="spelling", weight=weight) for a, b in pairs]
    LabelPair.objects.bulk_create(rows)


def found(merge_map: MergeMap | None = None) -> list[Proposal]:
    return proposals(merge_map, label_use())


def test_without_any_evidence_each_label_stands_alone_the_most_used_first() -> None:
    small, big = labels_on(1, 3)
    assert [(one.labels, one.target, one.letters) for one in found()] == [((big.pk,), "", ""), ((small.pk,), "", "")]


def test_paired_labels_stand_together_with_the_reason() -> None:
    small, big = labels_on(1, 3)
    paired((small, big))
    make_suggestion(big, "PP")
    (one,) = found()
    assert (one.labels, one.target, one.letters, one.prompts) == ((big.pk, small.pk), "PP", "BD", 4)
    assert [(reason.letter, reason.kind, reason.other) for reason in one.members[1].reasons] == [
        ("B", "spelling", big.pk)
    ]


def test_a_label_whose_own_suggestion_differs_is_not_ticked() -> None:
    small, big = labels_on(1, 3)
    paired((small, big))
    make_suggestion(big, "PP")
    make_suggestion(small, "DT", 0.7)
    (one,) = found()
    assert (one.ticked, [member.differs for member in one.members]) == ((big.pk,), [False, True])


def test_a_refused_pair_never_stands_together() -> None:
    first, second = labels_on(1, 3)
    paired((first, second))
    for label in (first, second):
        make_suggestion(label, "PP", 0.95)
    labels_refuse(user=make_user("a", User.Role.ANNOTATOR), together=[first.pk, second.pk])
    assert sorted(one.labels for one in found()) == [(first.pk,), (second.pk,)]


def test_labels_with_one_confident_suggestion_stand_together_at_most_twelve() -> None:
    labels = labels_on(*[1] * 14)
    for label in labels[:13]:
        make_suggestion(label, "PP", 0.9)
    make_suggestion(labels[13], "PP", 0.7)
    assert sorted(len(one.labels) for one in found()) == [1, 1, 12]


def test_decided_labels_are_proposed_no_more_and_speak_for_their_neighbours() -> None:
    first, second, third = labels_on(3, 1, 1)
    paired((first, second), (first, third))
    draft = make_map({first: "PP"})
    (one,) = [one for one in found(draft) if second.pk in one.labels]
    assert (one.target, "E" in one.letters, first.pk in one.labels) == ("PP", True, False)


def test_proposals_are_disjoint_and_hold_every_undecided_label() -> None:
    labels = labels_on(4, 3, 2, 1, 1)
    paired((labels[0], labels[1]), (labels[1], labels[2]), (labels[3], labels[4]), weight=0.8)
    held = [label for one in found() for label in one.labels]
    assert sorted(held) == sorted(label.pk for label in labels)


def test_labels_of_no_prompt_are_proposed_last_those_decided_together_first() -> None:
    carried, bare = labels_on(1), [make_label(name) for name in ("x", "y", "z")]
    paired((bare[1], bare[2]))
    make_suggestion(bare[1], "PP")
    proposed = proposals(None, label_use(), [one.pk for one in bare])
    together = (bare[1].pk, bare[2].pk)
    assert [one.labels for one in proposed] == [(carried[0].pk,), together, (bare[0].pk,)]
    assert (proposed[1].target, proposed[1].prompts) == ("PP", 0)


def test_many_confident_labels_are_not_held_against_every_full_group(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    takes = gathering._takes

    def counted(group: Sequence[int], label: int, refused: Collection[tuple[int, int]]) -> bool:
        asked.append(label)
        return takes(group, label, refused)

    monkeypatch.setattr(gathering, "_takes", counted)
    counts = dict.fromkeys(range(1, 601), 1)
    known = gathering.Known(
        counts=counts,
        targets=["PP"],
        suggested={label: ("PP", 0.9) for label in counts},
        decided={},
        refused=(),
        stored=gathering.Stored([]),
        links=links([], list(counts)),
        groups=[],
    )
    assert len(gathering.gather(known, 100)) == 50
    assert len(asked) <= len(counts)
