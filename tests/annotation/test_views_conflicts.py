"""What the merge page shows of labels on which two people disagree, and the guidelines beside it."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from annotation.merge.blind import policy_set
from annotation.models import MergeMap
from annotation.selectors import categories
from annotation.taxonomies import guideline_write
from madsafe_web.core.models import User
from tests.annotation.merge_steps import NAMES, decide, draft_of, entry, standing
from tests.factories import Person, make_user, sign_in
from tests.helpers.queries import query_count

pytestmark = pytest.mark.django_db
PAGE = "/labels/?view=conflicts"


@pytest.fixture
def draft(lead: Person) -> MergeMap:
    """A draft over labels that need two people; about "one" they disagree."""
    policy_set(user=lead.user, two_people=True, prompts_from=1, confidence_below=1.0)
    made = draft_of()
    disagree(made, "one")
    return made


def disagree(draft: MergeMap, name: str) -> None:
    for who, target in (("first", "CIA"), ("second", "EM")):
        decide(draft, User.objects.filter(username=who).first() or make_user(who), target, name)


def lines(page: Any) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Label → target and people of each answer."""
    return {item.name: [(one.target, one.people) for one in item.given] for item in page.context["items"]}


def test_a_lead_sees_both_answers_with_who_gave_them(lead: Person, draft: MergeMap) -> None:
    page = lead.get(PAGE)
    assert lines(page) == {"one": [("CIA", ("first",)), ("EM", ("second",))]}
    assert page.text.count("Settle on this") == 2


def test_others_see_their_own_answer_alone_and_settle_nothing(draft: MergeMap) -> None:
    page = sign_in(User.objects.get(username="first")).get(PAGE)
    assert lines(page) == {"one": [("CIA", ("first",))]}
    assert "Settle on this" not in page.text


def test_the_side_has_what_settles_on_either(lead: Person, draft: MergeMap) -> None:
    pane = lead.get(f"/labels/{entry(draft, 'one').label_id}/", headers={"HX-Request": "true"})
    assert [one.target for one in pane.context["given"]] == ["CIA", "EM"]
    assert 'data-key="h"' in pane.text and 'data-key="l"' in pane.text


def test_a_label_without_a_disagreement_asks_for_no_answers(lead: Person, draft: MergeMap) -> None:
    pane = lead.get(f"/labels/{entry(draft, 'two').label_id}/", headers={"HX-Request": "true"})
    assert pane.context["given"] == ()


def test_settling_decides_and_the_line_has_no_answers_any_more(lead: Person, draft: MergeMap) -> None:
    one = entry(draft, "one")
    form = {"label": one.label_id, "revision": one.revision, "category": "EM", "query": "view=conflicts"}
    answer = lead.post(reverse("annotation:label-assign"), form, headers={"HX-Request": "true"})
    assert standing(draft, "one") == ("EM", "")
    (swapped,) = answer.context["swapped"]
    assert swapped["item"].given == ()


def test_a_line_keeps_its_answers_when_something_else_is_done_with_it(lead: Person, draft: MergeMap) -> None:
    one = entry(draft, "one")
    form = {"label": one.label_id, "revision": one.revision, "text": "a note", "query": "view=conflicts"}
    answer = lead.post(reverse("annotation:label-comment"), form, headers={"HX-Request": "true"})
    (swapped,) = answer.context["swapped"]
    assert len(swapped["item"].given) == 2


def test_more_conflicts_cost_no_more_queries(lead: Person, draft: MergeMap) -> None:
    lead.get(PAGE)
    few = query_count(lambda: lead.get(PAGE))
    for name in NAMES[1:]:
        disagree(draft, name)
    assert query_count(lambda: lead.get(PAGE)) == few


def test_the_newest_guideline_of_each_category_stands_beside_the_work(lead: Person, draft: MergeMap) -> None:
    for text in ("an older text", "the newest text"):
        guideline_write(user=lead.user, category=categories().get(code="PP"), text_en=text, text_zh="")
    page = lead.get("/labels/")
    guides = {guide["category"].code: guide["text"] for guide in page.context["guides"]}
    assert (guides["PP"].version, guides["EM"]) == (2, None)
    assert "the newest text" in page.text and "an older text" not in page.text


def test_an_empty_list_of_conflicts_says_that_there_are_none(lead: Person) -> None:
    draft_of()
    assert "No conflicts" in lead.get(PAGE).text
    assert "No conflicts" not in lead.get(f"{PAGE}&q=nothing").text


def test_the_side_names_who_gave_each_answer(lead: Person, draft: MergeMap) -> None:
    pane = lead.get(f"/labels/{entry(draft, 'one').label_id}/", headers={"HX-Request": "true"})
    assert all(f'<span class="small me-2" translate="no">{name}</span>' in pane.text for name in ("first", "second"))


def answered(person: Person, draft: MergeMap, name: str, category: str) -> str:
    found = entry(draft, name)
    values = {"label": found.label_id, "revision": found.revision, "category": category, "query": "view=flat"}
    page: str = person.post("/labels/assign/", values, headers={"HX-Request": "true"}).text
    return page


def test_an_answer_that_decides_nothing_yet_says_so(lead: Person, draft: MergeMap) -> None:
    first, second = sign_in(make_user("third")), sign_in(make_user("fourth"))
    said = [answered(first, draft, "two", "CIA"), answered(second, draft, "two", "CIA")]
    assert "when a second person answers alike" in said[0] and "to CIA" not in said[0]
    assert "1 label, 1 prompts to CIA" in said[1]
    answered(first, draft, "three", "CIA")
    assert "Somebody else answered otherwise" in answered(second, draft, "three", "EM")


def test_the_side_shows_the_own_answer_that_waits_and_nobody_elses(lead: Person, draft: MergeMap) -> None:
    first, second = sign_in(make_user("third")), sign_in(make_user("fourth"))
    answered(first, draft, "two", "CIA")
    pane = f"/labels/{entry(draft, 'two').label_id}/"
    kept = [one.get(pane, headers={"HX-Request": "true"}).context["kept"] for one in (first, second, lead)]
    assert [one and one.target for one in kept] == ["CIA", None, None]


def test_who_answered_is_not_asked_again_while_a_second_person_is(lead: Person, draft: MergeMap) -> None:
    answered(lead, draft, "two", "CIA")
    other = sign_in(make_user("other"))
    listed = [[item.name for item in who.get("/labels/?view=undecided").context["items"]] for who in (lead, other)]
    assert ["two" in names for names in listed] == [False, True]
    tabs = [{tab["view"]: tab["count"] for tab in who.get("/labels/").context["tabs"]} for who in (lead, other)]
    assert tabs[0]["undecided"] == tabs[1]["undecided"] - 1
