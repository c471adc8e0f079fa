"""Rules that are saved with decisions, and what they decide about labels that come later."""

from __future__ import annotations

import pytest

from annotation.merge.blind import policy_set
from annotation.merge.deciding import labels_decide, step_redo, step_undo
from annotation.merge.drafts import map_draft_open
from annotation.merge.operations import operation_undo
from annotation.merge.rule_steps import rule_withdraw, rules_reapply
from annotation.merge.rules import rules_standing
from annotation.merge.states import Decision
from annotation.models import Corpus, LabelOperation, MapEntry
from madsafe_web.core.models import User
from tests.factories import make_label, make_prompts, make_user

pytestmark = pytest.mark.django_db
SAME = ("privacy violation", "violation of privacy")


def together(user: User, target: str, names: tuple[str, ...] = SAME) -> None:
    """Labels that are decided by one step."""
    corpus = Corpus.objects.first()
    ids = [make_label(name, make_prompts(1, corpus or None)).pk for name in names[:1]]
    ids += [make_label(name, make_prompts(1, Corpus.objects.first())).pk for name in names[1:]]
    map_draft_open()
    seen = dict(MapEntry.objects.filter(label__in=ids).values_list("label", "revision"))
    labels_decide(user=user, seen=seen, decision=Decision(target))


def later(name: str) -> MapEntry:
    """The entry of a label that comes only now."""
    label = make_label(name, make_prompts(1, Corpus.objects.first()))
    return map_draft_open().entries.select_related("category").get(label=label)


def test_a_new_label_with_the_key_is_decided_by_rule() -> None:
    together(make_user("a", User.Role.ANNOTATOR), "PP")
    entry = later("Privacy-Violations")
    assert entry.category is not None
    assert (entry.category.code, entry.decided_by) == ("PP", "rule")


def test_all_labels_that_rules_decide_are_one_step() -> None:
    together(make_user("a", User.Role.ANNOTATOR), "PP")
    for name in ("Privacy-Violations", "privacy violations"):
        make_label(name, make_prompts(1, Corpus.objects.first()))
    map_draft_open()
    step = LabelOperation.objects.get(verb="apply")
    assert (step.actor, step.by, step.payload["count"]) == (None, "rule", 2)


def test_a_label_with_another_key_stays_undecided() -> None:
    together(make_user("a", User.Role.ANNOTATOR), "PP")
    assert later("weather").decided_by == ""


def test_a_decision_about_labels_without_a_common_key_saves_no_rule() -> None:
    together(make_user("a", User.Role.ANNOTATOR), "PP", ("weather", "Gambling"))
    assert not rules_standing().exists()


def test_an_undone_step_takes_its_rules_with_it() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    together(user, "PP")
    step_undo(user=user, draft=map_draft_open())
    assert (rules_standing().exists(), later("Privacy-Violations").decided_by) == (False, "")


def test_a_later_decision_about_the_key_replaces_the_rule() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    together(user, "PP")
    together(user, "DP")
    assert {rule.target for rule in rules_standing()} == {"DP"}


def test_the_rule_that_a_step_replaced_holds_again_when_that_is_taken_back() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    together(user, "PP")
    together(user, "NS")
    draft = map_draft_open()
    step_undo(user=user, draft=draft)
    assert {rule.target for rule in rules_standing()} == {"PP"}
    step_redo(user=user, draft=draft)
    assert {rule.target for rule in rules_standing()} == {"NS"}


def test_a_withdrawn_rule_decides_no_more() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    together(user, "PP")
    assert all(rule_withdraw(user, rule) for rule in rules_standing())
    assert later("Privacy-Violations").decided_by == ""


def test_a_withdrawal_is_a_step_that_undo_takes_back() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    together(user, "PP")
    before = set(rules_standing().values_list("pk", flat=True))
    rule = rules_standing()[0]
    rule_withdraw(user, rule)
    assert before - set(rules_standing().values_list("pk", flat=True)) == {rule.pk}
    step_undo(user=user, draft=map_draft_open())
    assert set(rules_standing().values_list("pk", flat=True)) == before


def test_a_withdrawal_taken_back_and_done_again_holds() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    together(user, "PP")
    rule = rules_standing()[0]
    rule_withdraw(user, rule)
    step_undo(user=user, draft=map_draft_open())
    step_redo(user=user, draft=map_draft_open())
    assert rule.pk not in rules_standing().values_list("pk", flat=True)


def test_a_withdrawn_rule_does_not_come_back_with_the_step_that_made_it() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    together(user, "PP")
    rule = rules_standing()[0]
    withdrawal = rule_withdraw(user, rule)
    undone = operation_undo(operation=rule.operation, user=user)
    assert undone and withdrawal
    operation_undo(operation=undone, user=user)
    assert rule.pk not in rules_standing().values_list("pk", flat=True)
    operation_undo(operation=withdrawal, user=user)
    assert rule.pk in rules_standing().values_list("pk", flat=True)


def test_a_withdrawal_taken_back_brings_no_rule_whose_step_is_taken_back() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    together(user, "PP")
    withdrawal = rule_withdraw(user, rules_standing()[0])
    operation_undo(operation=LabelOperation.objects.get(verb="assign"), user=user)
    assert withdrawal
    operation_undo(operation=withdrawal, user=user)
    assert not rules_standing().exists()


def test_rules_are_applied_again_to_what_is_undecided_as_one_step_of_the_person() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    late = make_label("Privacy-Violations", make_prompts(1))
    map_draft_open()
    together(user, "PP")
    step = rules_reapply(user)
    assert step and (step.actor, step.verb, step.payload["count"]) == (user, "apply", 1)
    assert MapEntry.objects.get(label=late).decided_by == "rule"
    step_undo(user=user, draft=map_draft_open())
    assert MapEntry.objects.get(label=late).decided_by == ""


def test_rules_do_not_decide_a_label_that_somebody_answered_blindly() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    late = make_label("Privacy-Violations", make_prompts(1))
    map_draft_open()
    together(user, "PP")
    MapEntry.objects.filter(label=late).update(second=MapEntry.Second.WAITING)
    assert rules_reapply(user) is None


def test_rules_do_not_decide_what_two_people_have_to() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    together(user, "PP")
    policy_set(user=user, two_people=True, prompts_from=1, confidence_below=0.5)
    assert later("Privacy-Violations").decided_by == ""
    policy_set(user=user, two_people=True, prompts_from=2, confidence_below=0.5)
    assert later("privacy violations").decided_by == "rule"


def test_rules_follow_steps_that_are_all_undone_and_all_done_again() -> None:
    user = make_user("a", User.Role.ANNOTATOR)
    together(user, "PP")
    seen = dict(MapEntry.objects.values_list("label", "revision"))
    labels_decide(user=user, seen=seen, decision=Decision("EM"))
    for turn in (step_undo, step_undo, step_redo, step_redo):
        turn(user=user, draft=map_draft_open())
    assert set(rules_standing().values_list("target", flat=True)) == {"EM"}
