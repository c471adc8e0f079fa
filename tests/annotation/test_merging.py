"""Decisions about labels: the optimistic lock, undo and redo, the merge run, publishing."""

from __future__ import annotations

import pytest

from annotation import services
from annotation.merge.deciding import labels_decide, step_redo, step_undo
from annotation.merge.drafts import map_draft_open, map_publish, map_sha256
from annotation.merge.operations import Codes
from annotation.merge.states import Decision, EntryState, StaleDecision
from annotation.merging import decide_by_rule, merge_finish
from annotation.models import Category, Corpus, IntentLabel, LabelSuggestion, MapEntry, MergeMap, Prompt, PromptIntent
from annotation.selectors import map_published, prompt_categories
from annotation.text import prompt_key
from madsafe_web.core.models import AuditEvent, Run, User
from madsafe_web.core.runs import service
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.worker import work_on

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("诈骗", "隐私", "天气", "赌博")


@pytest.fixture
def draft() -> MergeMap:
    """A draft map over four labels of four prompts, with suggestions of falling confidence."""
    run = Run.objects.create(stage="suggest", state=Run.State.DONE)
    home = Corpus.objects.create(name="c", format="x", role="alignment")
    ids = services.labels_get(list(NAMES))
    codes = {"诈骗": "CIA", "隐私": "PP", "天气": None, "赌博": "DT"}
    for number, name in enumerate(NAMES):
        row = Prompt.objects.create(corpus=home, key=prompt_key(name), text=name, language="zh")
        PromptIntent.objects.create(prompt=row, label_id=ids[name], run=run, position=0)
        category = Category.objects.get(code=codes[name]) if codes[name] else None
        LabelSuggestion.objects.create(label_id=ids[name], run=run, category=category, confidence=0.9 - number / 10)
    return map_draft_open()


@pytest.fixture
def annotator() -> User:
    return User.objects.create(username="a", role="annotator")


def entry(draft: MergeMap, name: str) -> MapEntry:
    return draft.entries.select_related("label", "category", "merge_map").get(label__name=name)


def decide(draft: MergeMap, name: str, target: str, user: User | None) -> None:
    found = entry(draft, name)
    labels_decide(user=user, seen={found.label_id: found.revision}, decision=Decision(target))


def state(draft: MergeMap, name: str) -> EntryState:
    return EntryState.of(entry(draft, name), Codes.of(draft).code_of)


def target(draft: MergeMap, name: str) -> str:
    return state(draft, name).target


def test_two_people_on_one_label_the_first_decision_stands(draft: MergeMap, annotator: User) -> None:
    other = User.objects.create(username="b", role="annotator")
    seen_by_both = entry(draft, "诈骗")
    seen = {seen_by_both.label_id: 0}
    labels_decide(user=annotator, seen=seen, decision=Decision("CIA"))
    with pytest.raises(StaleDecision):
        labels_decide(user=other, seen=seen, decision=Decision("EM"))
    assert target(draft, "诈骗") == "CIA"


def test_undo_takes_back_the_last_own_step_and_redo_brings_it_again(draft: MergeMap, annotator: User) -> None:
    decide(draft, "诈骗", "CIA", annotator)
    decide(draft, "诈骗", "NS", annotator)
    step_undo(user=annotator, draft=draft)
    assert target(draft, "诈骗") == "CIA"
    step_redo(user=annotator, draft=draft)
    assert target(draft, "诈骗") == "NS"


def test_undo_goes_back_step_by_step_to_undecided(draft: MergeMap, annotator: User) -> None:
    for name, code in (("诈骗", "CIA"), ("隐私", "PP")):
        decide(draft, name, code, annotator)
    step_undo(user=annotator, draft=draft)
    step_undo(user=annotator, draft=draft)
    assert [target(draft, name) for name in ("诈骗", "隐私")] == ["", ""]
    assert step_undo(user=annotator, draft=draft) is None


def test_redo_goes_forward_as_far_as_undo_went_back(draft: MergeMap, annotator: User) -> None:
    for name, code in (("诈骗", "CIA"), ("隐私", "PP")):
        decide(draft, name, code, annotator)
    for step in (step_undo, step_undo, step_redo, step_redo):
        step(user=annotator, draft=draft)
    assert [target(draft, name) for name in ("诈骗", "隐私")] == ["CIA", "PP"]
    assert step_redo(user=annotator, draft=draft) is None


def test_a_redone_step_can_be_undone_again(draft: MergeMap, annotator: User) -> None:
    decide(draft, "诈骗", "CIA", annotator)
    for step in (step_undo, step_redo, step_undo):
        step(user=annotator, draft=draft)
    assert target(draft, "诈骗") == ""


def test_a_new_decision_after_an_undo_ends_redo_but_keeps_the_history(draft: MergeMap, annotator: User) -> None:
    decide(draft, "诈骗", "CIA", annotator)
    step_undo(user=annotator, draft=draft)
    decide(draft, "隐私", "PP", annotator)
    assert step_redo(user=annotator, draft=draft) is None
    assert draft.operations.count() == 3


def test_undo_leaves_alone_what_somebody_else_changed_since(draft: MergeMap, annotator: User) -> None:
    decide(draft, "诈骗", "CIA", annotator)
    decide(draft, "诈骗", "NS", User.objects.create(username="b", role="annotator"))
    with pytest.raises(StaleDecision):
        step_undo(user=annotator, draft=draft)
    assert target(draft, "诈骗") == "NS"


def test_undoing_a_change_of_a_rules_decision_leaves_it_marked_by_rule(draft: MergeMap, annotator: User) -> None:
    decide(draft, "诈骗", "CIA", None)
    decide(draft, "诈骗", "NS", annotator)
    step_undo(user=annotator, draft=draft)
    assert state(draft, "诈骗") == EntryState("CIA", "rule")


def test_a_merge_by_rule_leaves_the_least_certain_undecided(draft: MergeMap) -> None:
    run = service.run_create(stage_name="merge", values={"decide": "rule", "leave_undecided": 1})
    service.run_start(run)
    run = work_on(run.pk)
    assert service.counts(run) == {"read": 4, "kept": 3, "duplicate": 0, "rejected": 1, "failed": 0}
    assert [target(draft, name) for name in NAMES] == ["CIA", "PP", "DROP", ""]
    assert set(draft.entries.values_list("decided_by", flat=True)) == {"rule", ""}


def test_a_merge_by_people_waits_until_they_finish(draft: MergeMap, annotator: User) -> None:
    run = service.run_create(stage_name="merge", values={})
    service.run_start(run)
    run = work_on(run.pk)
    assert (run.state, run.error[:22]) == (Run.State.NEEDS_PEOPLE, "4 labels wait for peop")
    decide(draft, "诈骗", "CIA", annotator)
    assert merge_finish(run, annotator)
    run = work_on(run.pk)
    assert (run.state, service.counts(run)["kept"]) == (Run.State.DONE, 1)
    assert not merge_finish(run, annotator)


def test_a_published_map_is_read_and_can_no_longer_change(draft: MergeMap, annotator: User) -> None:
    decide(draft, "诈骗", "CIA", annotator)
    map_publish(draft, annotator)
    assert prompt_categories(map_published()) == {Prompt.objects.get(text="诈骗").pk: "CIA"}
    with pytest.raises(StageError, match="can no longer change"):
        step_undo(user=annotator, draft=draft)
    assert AuditEvent.objects.get(verb="map.publish").actor == annotator


def test_a_decision_seen_before_a_publication_does_not_cover_another_made_after_it(
    draft: MergeMap, annotator: User
) -> None:
    decide(draft, "诈骗", "CIA", annotator)
    shown = {entry(draft, "诈骗").label_id: 1}
    map_publish(draft, annotator)
    labels_decide(user=User.objects.create(username="b", role="lead"), seen=shown, decision=Decision("NS"))
    with pytest.raises(StaleDecision):
        labels_decide(user=annotator, seen=shown, decision=Decision("EM"))


def test_a_map_is_published_once(draft: MergeMap, annotator: User) -> None:
    map_publish(draft, annotator)
    with pytest.raises(StageError, match="already published"):
        map_publish(draft, annotator)


def test_the_next_draft_starts_from_the_published_map_with_new_labels_undecided(
    draft: MergeMap, annotator: User
) -> None:
    decide(draft, "诈骗", "CIA", annotator)
    map_publish(draft, annotator)
    run = Run.objects.create(stage="label")
    new = IntentLabel.objects.create(key="新", name="新", language="zh")
    PromptIntent.objects.create(prompt=Prompt.objects.first(), label=new, run=run, position=1)
    following = map_draft_open()
    assert (following.version, target(following, "诈骗"), target(following, "新")) == (2, "CIA", "")


def test_equal_maps_have_equal_hashes(draft: MergeMap, annotator: User) -> None:
    before = map_sha256(draft)
    decide(draft, "诈骗", "CIA", annotator)
    assert map_sha256(draft) != before
    step_undo(user=annotator, draft=draft)
    assert map_sha256(draft) == before


def test_a_run_that_decides_by_rule_leaves_what_was_answered_blindly(draft: MergeMap) -> None:
    draft.entries.filter(label__name="诈骗").update(second=MapEntry.Second.WAITING)
    decide_by_rule(list(draft.entries.select_related("label")), 0)
    assert list(draft.entries.filter(decided_by="").values_list("label__name", "second")) == [("诈骗", "waiting")]
