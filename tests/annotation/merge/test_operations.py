"""Steps of merging: over many labels, by several people, taken back in any order."""

from __future__ import annotations

import pytest

from annotation.merge.deciding import (
    label_comment,
    labels_decide,
    labels_flag,
    labels_refuse,
    labels_theme,
    step_redo,
    step_undo,
)
from annotation.merge.operations import Codes, operation_undo
from annotation.merge.states import Decision, EntryState, StaleDecision
from annotation.models import IntentLabel, LabelChange, LabelComment, LabelOperation, MergeMap, RefusedPair
from madsafe_web.core.models import User
from madsafe_web.core.runs.errors import StageError
from tests.factories import make_label, make_map, make_prompts

pytestmark = pytest.mark.django_db


@pytest.fixture
def labels() -> list[IntentLabel]:
    prompts = make_prompts(3)
    return [make_label(name, prompts) for name in ("one", "two", "three")]


@pytest.fixture
def draft(labels: list[IntentLabel]) -> MergeMap:
    return make_map()


@pytest.fixture
def ann() -> User:
    return User.objects.create(username="ann", role="annotator")


@pytest.fixture
def ben() -> User:
    return User.objects.create(username="ben", role="annotator")


def states(draft: MergeMap) -> list[EntryState]:
    codes = Codes.of(draft)
    return [EntryState.of(entry, codes.code_of) for entry in draft.entries.order_by("label")]


def seen(draft: MergeMap, *labels: IntentLabel) -> dict[int, int]:
    return dict(draft.entries.filter(label__in=labels).values_list("label", "revision"))


def decide(draft: MergeMap, user: User, target: str, *labels: IntentLabel) -> LabelOperation:
    return labels_decide(user=user, seen=seen(draft, *labels), decision=Decision(target))


def targets(draft: MergeMap) -> list[str]:
    return [state.target for state in states(draft)]


def test_labels_decided_together_are_one_step_that_one_undo_takes_back(
    draft: MergeMap, labels: list[IntentLabel], ann: User
) -> None:
    decide(draft, ann, "CIA", *labels)
    assert targets(draft) == ["CIA"] * 3
    step_undo(user=ann, draft=draft)
    assert targets(draft) == [""] * 3
    step_redo(user=ann, draft=draft)
    assert targets(draft) == ["CIA"] * 3


def test_labels_get_a_common_name_with_their_decision(draft: MergeMap, labels: list[IntentLabel], ann: User) -> None:
    labels_decide(user=ann, seen=seen(draft, *labels[:2]), decision=Decision("CIA"), theme="both")
    assert states(draft) == [EntryState("CIA", "person", "both")] * 2 + [EntryState()]


def test_a_label_that_was_changed_twice_over_by_its_own_person_is_no_conflict(
    draft: MergeMap, labels: list[IntentLabel], ann: User
) -> None:
    shown = seen(draft, labels[0])
    decide(draft, ann, "CIA", labels[0])
    labels_decide(user=ann, seen=shown, decision=Decision("NS"))
    assert targets(draft)[0] == "NS"


def test_one_stale_label_holds_all_of_a_step_back(
    draft: MergeMap, labels: list[IntentLabel], ann: User, ben: User
) -> None:
    shown = seen(draft, *labels)
    decide(draft, ben, "NS", labels[1])
    with pytest.raises(StaleDecision) as raised:
        labels_decide(user=ann, seen=shown, decision=Decision("CIA"))
    assert (raised.value.labels, str(raised.value)) == ((labels[1].pk,), "two")
    assert targets(draft) == ["", "NS", ""]


def test_a_revision_that_nobody_made_yet_is_refused(draft: MergeMap, labels: list[IntentLabel], ann: User) -> None:
    with pytest.raises(StaleDecision):
        labels_decide(user=ann, seen={labels[0].pk: 5}, decision=Decision("CIA"))


def test_a_label_that_there_is_not_is_refused(draft: MergeMap, ann: User) -> None:
    with pytest.raises(StaleDecision):
        labels_decide(user=ann, seen={make_label("four").pk + 1: 0}, decision=Decision("CIA"))


def test_only_what_a_step_changed_goes_back(draft: MergeMap, labels: list[IntentLabel], ann: User, ben: User) -> None:
    first = decide(draft, ann, "CIA", labels[0])
    labels_flag(user=ben, seen=seen(draft, labels[0]), flagged=True)
    operation_undo(operation=first, user=ann)
    assert states(draft)[0] == EntryState(flagged=True)


def test_a_step_that_another_built_on_is_not_taken_back(draft: MergeMap, labels: list[IntentLabel], ann: User) -> None:
    first = decide(draft, ann, "CIA", labels[0])
    for target in ("NS", "CIA"):
        decide(draft, ann, target, labels[0])
    with pytest.raises(StaleDecision):
        operation_undo(operation=first, user=ann)


def test_steps_on_one_label_are_done_again_in_their_order(
    draft: MergeMap, labels: list[IntentLabel], ann: User
) -> None:
    for target in ("CIA", "NS", "EM"):
        decide(draft, ann, target, labels[0])
    for step in (step_undo, step_undo, step_undo, step_redo, step_redo, step_redo):
        step(user=ann, draft=draft)
    assert targets(draft)[0] == "EM"


def test_what_was_built_on_it_and_taken_back_again_does_not_hold_an_undo(
    draft: MergeMap, labels: list[IntentLabel], ann: User, ben: User
) -> None:
    decide(draft, ann, "CIA", labels[0])
    decide(draft, ben, "NS", labels[0])
    step_undo(user=ben, draft=draft)
    step_undo(user=ann, draft=draft)
    assert targets(draft)[0] == ""


def test_a_step_taken_back_in_part_leaves_what_others_changed(
    draft: MergeMap, labels: list[IntentLabel], ann: User, ben: User
) -> None:
    first = decide(draft, ann, "CIA", *labels)
    decide(draft, ben, "NS", labels[1])
    operation_undo(operation=first, user=ann, partly=True)
    assert targets(draft) == ["", "NS", ""]


def test_a_step_is_taken_back_once(draft: MergeMap, labels: list[IntentLabel], ann: User) -> None:
    first = decide(draft, ann, "CIA", labels[0])
    operation_undo(operation=first, user=ann)
    with pytest.raises(StageError, match="already"):
        operation_undo(operation=first, user=ann)


def test_a_branch_that_was_left_is_done_again_from_the_history(
    draft: MergeMap, labels: list[IntentLabel], ann: User
) -> None:
    decide(draft, ann, "CIA", labels[0])
    undo = step_undo(user=ann, draft=draft)
    after = decide(draft, ann, "NS", labels[1])
    assert undo is not None and after.parent is None
    operation_undo(operation=undo, user=ann)
    assert targets(draft) == ["CIA", "NS", ""]


def test_a_step_names_the_step_it_came_after(draft: MergeMap, labels: list[IntentLabel], ann: User) -> None:
    first = decide(draft, ann, "CIA", labels[0])
    assert decide(draft, ann, "NS", labels[1]).parent == first


def test_a_common_name_is_taken_away_from_one_label_alone(
    draft: MergeMap, labels: list[IntentLabel], ann: User
) -> None:
    labels_theme(user=ann, seen=seen(draft, *labels), theme="all")
    labels_theme(user=ann, seen=seen(draft, labels[2]), theme="")
    assert [state.theme for state in states(draft)] == ["all", "all", ""]


def test_labels_that_do_not_belong_together_stay_apart_until_that_is_undone(
    draft: MergeMap, labels: list[IntentLabel], ann: User
) -> None:
    labels_refuse(user=ann, together=[labels[0].pk], apart=[labels[1].pk, labels[2].pk])
    pairs = RefusedPair.objects.filter(standing=True).values_list("first", "second")
    assert sorted(pairs) == [(labels[0].pk, labels[1].pk), (labels[0].pk, labels[2].pk)]
    step_undo(user=ann, draft=draft)
    assert not RefusedPair.objects.filter(standing=True).exists()
    step_redo(user=ann, draft=draft)
    assert RefusedPair.objects.filter(standing=True).count() == 2


def test_a_pair_that_two_people_refused_is_remembered_once(
    draft: MergeMap, labels: list[IntentLabel], ann: User, ben: User
) -> None:
    both = [labels[1].pk, labels[0].pk]
    labels_refuse(user=ann, together=both)
    step_undo(user=ann, draft=draft)
    labels_refuse(user=ben, together=both)
    step_redo(user=ann, draft=draft)
    assert RefusedPair.objects.filter(standing=True).count() == 1


@pytest.mark.parametrize("first", [True, False])
def test_a_pair_that_one_of_two_people_still_refuses_stays_apart(
    draft: MergeMap, labels: list[IntentLabel], ann: User, ben: User, first: bool
) -> None:
    both = [labels[0].pk, labels[1].pk]
    for person in (ann, ben):
        labels_refuse(user=person, together=both)
    turned, other = (ann, ben) if first else (ben, ann)
    step_undo(user=turned, draft=draft)
    assert RefusedPair.objects.filter(standing=True).count() == 1
    step_undo(user=other, draft=draft)
    assert not RefusedPair.objects.filter(standing=True).exists()


def test_a_comment_goes_with_its_undo(draft: MergeMap, labels: list[IntentLabel], ann: User) -> None:
    label_comment(user=ann, label=labels[0].pk, text="a word")
    step_undo(user=ann, draft=draft)
    assert not LabelComment.objects.get().standing


def test_the_changes_in_their_order_lead_to_what_the_map_says(
    draft: MergeMap, labels: list[IntentLabel], ann: User, ben: User
) -> None:
    decide(draft, ann, "CIA", *labels)
    decide(draft, ben, "NS", labels[0])
    step_undo(user=ben, draft=draft)
    step_undo(user=ann, draft=draft)
    now: dict[int, dict[str, object]] = {}
    for change in LabelChange.objects.order_by("id").select_related("entry"):
        assert now.setdefault(change.entry.label_id, change.before) == change.before
        now[change.entry.label_id] = change.after
    assert [EntryState.read(now[label.pk]) for label in labels] == states(draft)
