"""Blind answers to labels that still wait when a map is published go on in the next draft."""

from __future__ import annotations

from dataclasses import replace

import pytest

from annotation.merge.blind import policy_set
from annotation.merge.conflicts import conflicts
from annotation.merge.deciding import step_undo
from annotation.merge.drafts import map_draft_open, map_publish
from annotation.merge.imports import Said, map_import
from annotation.models import LabelOpinion, MergeMap
from annotation.taxonomies import rows_of, taxonomy_make
from madsafe_web.core.access import scoped
from madsafe_web.core.models import User
from tests.annotation.merge_steps import decide, draft_of, standing

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(lead: User) -> MergeMap:
    """A draft in which "one" and "two" need two people."""
    policy(lead, two_people=True)
    return draft_of(doubtful=("one", "two"))


def policy(lead: User, *, two_people: bool) -> None:
    policy_set(user=lead, two_people=two_people, prompts_from=1000, confidence_below=0.6)


def following(draft: MergeMap, lead: User) -> MergeMap:
    map_publish(draft, lead)
    return map_draft_open(lead)


def test_the_second_answer_decides_in_the_next_draft(draft: MergeMap, lead: User, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    new = following(draft, lead)
    assert standing(new, "one") == ("", "waiting")
    decide(new, second, "CIA", "one")
    assert standing(new, "one") == ("CIA", "")


def test_it_goes_on_over_several_versions(draft: MergeMap, lead: User, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    new = following(following(draft, lead), lead)
    decide(new, second, "CIA", "one")
    assert standing(new, "one") == ("CIA", "")


def test_the_same_person_does_not_answer_for_two(draft: MergeMap, lead: User, first: User) -> None:
    decide(draft, first, "CIA", "one")
    new = following(draft, lead)
    decide(new, first, "CIA", "one")
    assert standing(new, "one") == ("", "waiting")


def test_an_undo_of_the_second_answer_leaves_the_first(draft: MergeMap, lead: User, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    new = following(draft, lead)
    decide(new, second, "CIA", "one")
    step_undo(user=second, draft=new)
    assert standing(new, "one") == ("", "waiting")


def test_a_disagreement_is_settled_in_the_next_draft(draft: MergeMap, lead: User, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    decide(draft, second, "EM", "one")
    new = following(draft, lead)
    assert [answer.text for answer in conflicts(lead)[0].answers] == ["CIA", "EM"]
    decide(new, lead, "NS", "one")
    assert standing(new, "one") == ("NS", "")


def test_the_answer_stays_blind(draft: MergeMap, lead: User, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    new = following(draft, lead)
    assert not scoped(second, LabelOpinion).filter(entry__merge_map=new).exists()
    assert scoped(first, LabelOpinion).filter(entry__merge_map=new).count() == 1


def test_what_was_decided_is_not_answered_any_more(draft: MergeMap, lead: User, first: User, second: User) -> None:
    for person in (first, second):
        decide(draft, person, "CIA", "one")
    assert not LabelOpinion.objects.filter(entry__merge_map=following(draft, lead)).exists()


def test_an_answer_from_before_a_later_decision_does_not_count(
    draft: MergeMap, lead: User, first: User, second: User
) -> None:
    decide(draft, first, "CIA", "one")
    policy(lead, two_people=False)
    decide(draft, lead, "EM", "one")
    policy(lead, two_people=True)
    decide(draft, second, "NS", "one")
    new = following(draft, lead)
    assert standing(new, "one") == ("EM", "waiting")
    assert list(LabelOpinion.objects.filter(entry__merge_map=new).values_list("person", flat=True)) == [second.pk]


def test_a_decision_from_a_file_ends_the_waiting(draft: MergeMap, lead: User, first: User) -> None:
    decide(draft, first, "CIA", "one", "two")
    map_import(user=lead, rows=[Said(1, "one", "EM", "", "person"), Said(2, "two", "", "a name", "")], name="a file")
    assert (standing(draft, "one"), standing(draft, "two")) == (("EM", ""), ("", "waiting"))


def test_the_answer_follows_a_category_that_is_renamed(draft: MergeMap, lead: User, first: User, second: User) -> None:
    decide(draft, first, "CIA", "one")
    map_publish(draft, lead)
    rows = rows_of(draft.taxonomy)
    made = [replace(row, code="LAW") if row.code == "CIA" else row for row in rows]
    taxonomy_make(user=lead, rows=made, parent=draft.taxonomy, name="Ours", note="", renamed={"CIA": "LAW"})
    new = map_draft_open(lead)
    decide(new, second, "LAW", "one")
    assert standing(new, "one") == ("LAW", "")
