"""Labels that two people must decide about, each without seeing the other's answer."""

from __future__ import annotations

from itertools import permutations

import pytest
from django.urls import reverse

from annotation.merge.blind import policy_set
from annotation.merge.deciding import labels_decide, step_redo, step_undo
from annotation.merge.operations import operation_undo
from annotation.merge.states import Decision, StaleDecision
from annotation.models import LabelOpinion, MergeMap
from madsafe_web.core.access import scoped
from madsafe_web.core.models import AuditEvent, User
from tests.annotation.merge_steps import as_stored, decide, draft_of, entry, replayed, seen, standing
from tests.factories import make_user, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(lead: User) -> MergeMap:
    """A draft in which "one" and "two" need two people."""
    policy_set(user=lead, two_people=True, prompts_from=1000, confidence_below=0.6)
    return draft_of(doubtful=("one", "two"))


def test_a_first_answer_decides_nothing(draft: MergeMap, first: User) -> None:
    decide(draft, first, "CIA", "one")
    assert standing(draft, "one") == ("", "waiting")


def test_the_history_of_a_label_does_not_tell_what_was_answered_blindly_beside_others(
    draft: MergeMap, first: User, second: User
) -> None:
    decide(draft, first, "CIA", "one", "three")
    address = reverse("annotation:label", args=[entry(draft, "one").label_id])
    steps = sign_in(second).get(address).context["selected"].steps
    step_undo(user=first, draft=draft)
    assert steps == sign_in(second).get(address).context["selected"].steps == []


def test_two_equal_answers_decide(draft: MergeMap, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, second, "CIA", "one")
    assert standing(draft, "one") == ("CIA", "")


def test_two_different_answers_are_a_conflict(draft: MergeMap, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, second, "EM", "one")
    assert standing(draft, "one") == ("", "conflict")


def test_a_person_cannot_answer_for_two(draft: MergeMap, first: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, first, "CIA", "one")
    assert standing(draft, "one") == ("", "waiting")


def test_a_new_answer_replaces_the_persons_own(draft: MergeMap, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, second, "EM", "one")
    decide(draft, first, "EM", "one")
    assert standing(draft, "one") == ("EM", "")


def test_other_labels_are_decided_by_one_person(draft: MergeMap, first: User) -> None:
    decide(draft, first, "CIA", "three")
    assert standing(draft, "three") == ("CIA", "")


def test_a_label_on_many_prompts_needs_two(lead: User, first: User) -> None:
    draft = draft_of()
    policy_set(user=lead, two_people=True, prompts_from=1, confidence_below=0.0)
    decide(draft, first, "CIA", "one")
    assert standing(draft, "one") == ("", "waiting")


def test_a_page_from_before_the_first_answer_is_not_stale(draft: MergeMap, first: User, second: User) -> None:
    """A refusal would tell that somebody answered and make the second person look again."""
    before = seen(draft, "one")
    decide(draft, first, "CIA", "one")
    labels_decide(user=second, seen=before, decision=Decision("CIA"))
    assert standing(draft, "one") == ("CIA", "")


def test_a_lead_settles_a_conflict(draft: MergeMap, first: User, second: User, lead: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, second, "EM", "one")
    step = decide(draft, lead, "NS", "one")
    assert (step.verb, standing(draft, "one")) == ("settle", ("NS", ""))


def test_a_settlement_is_taken_back_to_the_conflict(draft: MergeMap, first: User, second: User, lead: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, second, "EM", "one")
    decide(draft, lead, "NS", "one")
    step_undo(user=lead, draft=draft)
    assert standing(draft, "one") == ("", "conflict")


def test_an_answer_is_taken_back_after_the_other_one(draft: MergeMap, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, second, "CIA", "one")
    step_undo(user=first, draft=draft)
    assert standing(draft, "one") == ("", "waiting")
    step_redo(user=first, draft=draft)
    assert standing(draft, "one") == ("CIA", "")


def test_taking_a_new_answer_back_brings_the_persons_older_one_again(draft: MergeMap, first: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, first, "EM", "one")
    step_undo(user=first, draft=draft)
    assert LabelOpinion.objects.get(standing=True).target == "CIA"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_all_steps_taken_back_in_any_order_leave_nothing(
    draft: MergeMap, first: User, second: User, lead: User, order: tuple[int, ...]
) -> None:
    steps = [decide(draft, first, "CIA", "one"), decide(draft, second, "EM", "one"), decide(draft, lead, "NS", "one")]
    for place in order:
        actor = steps[place].actor
        assert actor is not None
        operation_undo(operation=steps[place], user=actor)
    assert standing(draft, "one") == ("", "")
    assert as_stored(draft) == replayed(draft)


def test_labels_of_both_kinds_are_one_step(draft: MergeMap, first: User) -> None:
    step = decide(draft, first, "CIA", "one", "three")
    assert [standing(draft, name) for name in ("one", "three")] == [("", "waiting"), ("CIA", "")]
    assert (step.payload["label"], step.payload["count"]) == ("three", 1)
    step_undo(user=first, draft=draft)
    assert [standing(draft, name) for name in ("one", "three")] == [("", ""), ("", "")]


def test_a_decision_from_before_the_rule_stands_until_two_agree(lead: User, first: User, second: User) -> None:
    draft = draft_of(doubtful=("one",))
    decide(draft, first, "CIA", "one")
    policy_set(user=lead, two_people=True, prompts_from=1000, confidence_below=0.6)
    decide(draft, second, "EM", "one")
    assert standing(draft, "one") == ("CIA", "waiting")
    decide(draft, lead, "EM", "one")
    assert standing(draft, "one") == ("EM", "")


def test_an_answer_is_nobody_elses_to_see(draft: MergeMap, first: User, second: User, lead: User) -> None:
    decide(draft, first, "CIA", "one")
    told = {user.username: scoped(user, LabelOpinion).count() for user in (first, second, lead)}
    assert told == {"first": 1, "second": 0, "the lead": 0}


def test_a_disagreement_is_shown_to_leads_alone(draft: MergeMap, first: User, second: User, lead: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, second, "EM", "one")
    told = {user.username: scoped(user, LabelOpinion).count() for user in (first, second, lead)}
    assert told == {"first": 1, "second": 1, "the lead": 2}


def test_answers_that_decided_are_for_everybody(draft: MergeMap, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, second, "CIA", "one")
    assert scoped(make_user("third"), LabelOpinion).count() == 2


def test_the_record_of_an_answer_does_not_hold_it(draft: MergeMap, first: User) -> None:
    step = decide(draft, first, "CIA", "one")
    assert "CIA" not in str((step.payload, AuditEvent.objects.latest("sequence").facts, list(step.changes.values())))


def test_a_conflict_that_came_meanwhile_is_seen_first(draft: MergeMap, first: User, second: User, lead: User) -> None:
    before = seen(draft, "one")
    decide(draft, first, "CIA", "one")
    decide(draft, second, "EM", "one")
    with pytest.raises(StaleDecision):
        labels_decide(user=lead, seen=before, decision=Decision("CIA"))
