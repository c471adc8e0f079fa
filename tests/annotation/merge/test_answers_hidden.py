"""A blind answer that was given beside other labels is not told by the history of its own."""

from __future__ import annotations

import pytest

from annotation.merge.blind import policy_set
from annotation.merge.deciding import labels_decide, step_undo
from annotation.merge.states import Decision
from annotation.models import MergeMap
from madsafe_web.core.models import User
from tests.annotation.merge_steps import decide, draft_of, entry, seen, standing
from tests.factories import make_user, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft() -> MergeMap:
    """A draft in which "one" needs two people."""
    policy_set(user=make_user("lead", User.Role.LEAD), two_people=True, prompts_from=1000, confidence_below=0.6)
    return draft_of(doubtful=("one",))


def steps(draft: MergeMap) -> list[str]:
    """What the page of "one" tells somebody else of its steps."""
    reader = sign_in(User.objects.filter(username="reader").first() or make_user("reader"))
    page = reader.get(f"/labels/{entry(draft, 'one').label_id}/")
    return [step.text for step in page.context["selected"].steps]


def test_a_common_name_beside_it_tells_no_answer(draft: MergeMap) -> None:
    labels_decide(user=make_user("a"), seen=seen(draft, "one", "two"), decision=Decision("EM"), theme="lies")
    assert steps(draft) == []


def test_a_new_answer_about_a_decided_label_tells_nothing(draft: MergeMap) -> None:
    first, second = make_user("a"), make_user("b")
    decide(draft, first, "EM", "one")
    decide(draft, second, "EM", "one")
    before = steps(draft)
    decide(draft, first, "NS", "one", "two")
    assert standing(draft, "one")[1] == "conflict"
    assert steps(draft) == before
    step_undo(user=first, draft=draft)
    assert steps(draft) == before
