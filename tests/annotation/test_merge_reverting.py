"""A lead takes back what one person did over a period."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.merge.deciding import label_comment, step_redo, step_undo
from annotation.merge.reverting import Reverted, labels_of, operations_revert, steps_between
from annotation.models import LabelComment, LabelOperation, MergeMap
from annotation.pages.merge import _can_step
from madsafe_web.core.models import User
from tests.annotation.merge_steps import as_stored, decide, draft_of, entry, replayed, standing
from tests.factories import make_user

pytestmark = pytest.mark.django_db
NOW = timezone.now()
SINCE, UNTIL = NOW - timedelta(days=1), NOW + timedelta(days=1)


@pytest.fixture
def lead() -> User:
    return make_user("the lead", User.Role.LEAD)


@pytest.fixture
def person() -> User:
    return make_user("person")


@pytest.fixture
def draft() -> MergeMap:
    return draft_of()


def revert(draft: MergeMap, lead: User, person: User) -> Reverted:
    return operations_revert(draft=draft, user=lead, person=person, since=SINCE, until=UNTIL)


def targets(draft: MergeMap, *names: str) -> list[str]:
    return [standing(draft, name)[0] for name in names]


def test_all_steps_of_the_person_are_taken_back(draft: MergeMap, lead: User, person: User) -> None:
    decide(draft, person, "CIA", "one", "two")
    decide(draft, person, "EM", "one")
    decide(draft, make_user("other"), "NS", "three")
    done = revert(draft, lead, person)
    assert (done.steps, done.left) == (2, [])
    assert targets(draft, "one", "two", "three") == ["", "", "NS"]


def test_what_somebody_changed_since_is_left_and_named(draft: MergeMap, lead: User, person: User) -> None:
    decide(draft, person, "CIA", "one", "two")
    decide(draft, make_user("other"), "NS", "one")
    assert revert(draft, lead, person).left == ["one"]
    assert targets(draft, "one", "two") == ["NS", ""]


def test_steps_outside_the_period_stay(draft: MergeMap, lead: User, person: User) -> None:
    step = decide(draft, person, "CIA", "one")
    LabelOperation.objects.filter(pk=step.pk).update(created=SINCE - timedelta(seconds=1))
    decide(draft, person, "CIA", "two")
    revert(draft, lead, person)
    assert targets(draft, "one", "two") == ["CIA", ""]


def test_it_is_one_step_to_undo_and_to_do_again(draft: MergeMap, lead: User, person: User) -> None:
    decide(draft, person, "CIA", "one", "two")
    decide(draft, person, "EM", "one")
    revert(draft, lead, person)
    step_undo(user=lead, draft=draft)
    assert targets(draft, "one", "two") == ["EM", "CIA"]
    step_redo(user=lead, draft=draft)
    assert targets(draft, "one", "two") == ["", ""]
    assert as_stored(draft) == replayed(draft)


def test_redo_does_not_take_a_part_of_it(draft: MergeMap, lead: User, person: User) -> None:
    decide(draft, person, "CIA", "one")
    revert(draft, lead, person)
    assert step_redo(user=lead, draft=draft) is None


def test_comments_fall_and_come_back_with_it(draft: MergeMap, lead: User, person: User) -> None:
    label_comment(user=person, label=entry(draft, "one").label_id, text="a note")
    revert(draft, lead, person)
    assert not LabelComment.objects.get().standing
    step_undo(user=lead, draft=draft)
    assert LabelComment.objects.get().standing


def test_without_steps_nothing_is_done(draft: MergeMap, lead: User, person: User) -> None:
    assert revert(draft, lead, person) == Reverted(None, 0, [])
    assert not draft.operations.exists()


def test_the_preview_counts_steps_and_labels(draft: MergeMap, person: User) -> None:
    decide(draft, person, "CIA", "one", "two")
    decide(draft, person, "EM", "one")
    steps = steps_between(draft, person, SINCE, UNTIL)
    assert (steps.count(), labels_of(steps)) == (2, 2)


def test_steps_that_came_back_are_the_persons_to_undo(draft: MergeMap, lead: User, person: User) -> None:
    decide(draft, person, "CIA", "one")
    decide(draft, person, "EM", "one")
    revert(draft, lead, person)
    step_undo(user=lead, draft=draft)
    step_undo(user=person, draft=draft)
    assert targets(draft, "one") == ["CIA"]
    step_redo(user=person, draft=draft)
    assert targets(draft, "one") == ["EM"]


def test_steps_that_came_back_are_reverted_again_by_when_they_were_done(
    draft: MergeMap, lead: User, person: User
) -> None:
    step = decide(draft, person, "CIA", "one")
    LabelOperation.objects.filter(pk=step.pk).update(created=SINCE)
    revert(draft, lead, person)
    step_undo(user=lead, draft=draft)
    assert not steps_between(draft, person, NOW - timedelta(hours=1), UNTIL).exists()
    assert revert(draft, lead, person).steps == 1
    assert targets(draft, "one") == [""]


def test_the_page_offers_what_undo_and_redo_would_find(draft: MergeMap, lead: User, person: User) -> None:
    decide(draft, person, "CIA", "one")
    revert(draft, lead, person)
    assert _can_step(lead, draft) == {"can_undo": True, "can_redo": False}
    assert _can_step(person, draft) == {"can_undo": False, "can_redo": False}
    step_undo(user=lead, draft=draft)
    assert _can_step(lead, draft) == {"can_undo": False, "can_redo": True}
    assert _can_step(person, draft) == {"can_undo": True, "can_redo": False}
