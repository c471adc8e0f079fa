"""Blind answers when the taxonomy becomes another one: they follow a new code, and fall with one that goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from annotation.merge.blind import policy_set
from annotation.merge.conflicts import conflicts
from annotation.merge.deciding import step_redo, step_undo
from annotation.merge.states import StaleDecision
from annotation.models import MergeMap
from annotation.taxonomies import rows_of, taxonomy_make
from madsafe_web.core.models import User
from tests.annotation.merge_steps import decide, draft_of, standing
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft() -> MergeMap:
    """A draft in which "one" needs two people, once the policy asks for them."""
    return draft_of(doubtful=("one",))


@pytest.fixture
def people() -> tuple[User, User]:
    return make_user("first"), make_user("second")


def two_people(lead: User) -> None:
    policy_set(user=lead, two_people=True, prompts_from=1000, confidence_below=0.6)


def moved(draft: MergeMap, lead: User, code: str, to: str = "") -> None:
    """The draft goes on with a taxonomy in which a code is another one, or is not there."""
    kept = [row for row in rows_of(draft.taxonomy) if to or row.code != code]
    rows = [replace(row, code=to) if row.code == code else row for row in kept]
    taxonomy_make(user=lead, rows=rows, parent=draft.taxonomy, name="Ours", note="", renamed={code: to} if to else {})
    draft.refresh_from_db()


def test_an_answer_counts_on_when_what_stood_before_it_is_renamed(
    draft: MergeMap, lead: User, people: tuple[User, User]
) -> None:
    decide(draft, lead, "CIA", "one")
    two_people(lead)
    decide(draft, people[0], "EM", "one")
    moved(draft, lead, "CIA", "LAW")
    assert standing(draft, "one") == ("LAW", "waiting")
    decide(draft, people[1], "EM", "one")
    assert standing(draft, "one") == ("EM", "")


@pytest.mark.parametrize("second", ["", "NS"])
def test_no_label_waits_for_a_second_answer_when_the_first_fell(
    draft: MergeMap, lead: User, people: tuple[User, User], second: str
) -> None:
    decide(draft, lead, "CIA", "one")
    two_people(lead)
    decide(draft, people[0], "EM", "one")
    if second:
        decide(draft, people[1], second, "one")
    moved(draft, lead, "EM")
    assert standing(draft, "one") == ("CIA", "")
    assert conflicts(lead) == []


def test_answers_that_were_taken_back_come_again_under_the_new_code(
    draft: MergeMap, lead: User, people: tuple[User, User]
) -> None:
    two_people(lead)
    for person in people:
        decide(draft, person, "CIA", "one")
        step_undo(user=person, draft=draft)
    moved(draft, lead, "CIA", "LAW")
    for person in people:
        step_redo(user=person, draft=draft)
    assert standing(draft, "one") == ("LAW", "")


def test_an_answer_with_a_code_that_went_does_not_come_again(
    draft: MergeMap, lead: User, people: tuple[User, User]
) -> None:
    two_people(lead)
    decide(draft, people[0], "CIA", "one")
    step_undo(user=people[0], draft=draft)
    moved(draft, lead, "CIA")
    with pytest.raises(StaleDecision):
        step_redo(user=people[0], draft=draft)


def test_a_label_is_undecided_where_what_stood_before_the_answers_went(
    draft: MergeMap, lead: User, people: tuple[User, User]
) -> None:
    decide(draft, lead, "CIA", "one")
    two_people(lead)
    for person in people:
        decide(draft, person, "EM", "one")
    moved(draft, lead, "CIA")
    step_undo(user=people[1], draft=draft)
    assert standing(draft, "one") == ("", "waiting")
