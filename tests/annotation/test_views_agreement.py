"""The page of agreement, its files, and the form of the two-person rule."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from annotation import label_use
from annotation.merge.blind import policy_now, policy_set
from annotation.merge.deciding import step_undo
from annotation.models import Corpus, IntentLabel, MergeMap
from madsafe_web.core.auditing.words import told
from madsafe_web.core.models import AuditEvent, User
from tests.annotation.merge_steps import NAMES, decide, draft_of
from tests.factories import Person, make_label, make_map, make_prompts, make_suggestion, make_user
from tests.helpers.queries import query_count

pytestmark = pytest.mark.django_db
PAGE = "/labels/agreement/"


@pytest.fixture
def draft(lead: Person) -> MergeMap:
    policy_set(user=lead.user, two_people=True, prompts_from=1, confidence_below=1.0)
    return draft_of()


@pytest.fixture
def people(db: None) -> list[User]:
    return [make_user("first"), make_user("second")]


def answer(draft: MergeMap, people: list[User], *targets: str, name: str = "one") -> None:
    for user, target in zip(people, targets, strict=True):
        decide(draft, user, target, name)


def shown(lead: Person) -> Any:
    return lead.get(PAGE).context


def file(lead: Person, draft: MergeMap, kind: str) -> list[str]:
    response = lead.post(reverse("annotation:label-agreement-file", args=[kind]), {"map": draft.version})
    return str(response.text).split("\r\n")


# --- figures ---


def test_without_two_answers_the_page_says_so(lead: Person, draft: MergeMap, people: list[User]) -> None:
    decide(draft, people[0], "CIA", "one")
    page = lead.get(PAGE)
    assert "No two answers yet" in page.text and "CIA" not in page.text


def test_equal_and_different_answers_are_counted(lead: Person, draft: MergeMap, people: list[User]) -> None:
    answer(draft, people, "CIA", "CIA", name="one")
    answer(draft, people, "CIA", "EM", name="two")
    context = shown(lead)
    everybody = context["figures"][0]
    assert (everybody.labels.units, everybody.labels.percent, everybody.weight) == (2, 50, 2)
    assert [row["name"] for row in context["rows"]] == ["two"]


def test_prompts_weigh_the_labels(lead: Person, people: list[User], draft: MergeMap) -> None:
    answer(draft, people, "CIA", "CIA", name="one")
    answer(draft, people, "CIA", "EM", name="two")
    make_label(IntentLabel.objects.get(name="one").name, make_prompts(2, Corpus.objects.get()))
    label_use.forget()
    assert shown(lead)["figures"][0].prompts.percent == pytest.approx(75)


def test_alpha_of_equal_answers_is_said_to_be_undefined(lead: Person, draft: MergeMap, people: list[User]) -> None:
    answer(draft, people, "CIA", "CIA")
    text = lead.get(PAGE).text
    assert "undefined: all answers equal" in text and "nan" not in text


def test_of_each_person_the_first_answer_counts(lead: Person, draft: MergeMap, people: list[User]) -> None:
    answer(draft, people, "CIA", "EM")
    decide(draft, people[1], "CIA", "one")
    assert shown(lead)["figures"][0].labels.percent == 0


def test_an_answer_that_was_taken_back_does_not_count(lead: Person, draft: MergeMap, people: list[User]) -> None:
    decide(draft, people[0], "EM", "one")
    step_undo(user=people[0], draft=draft)
    answer(draft, people, "CIA", "CIA")
    assert shown(lead)["figures"][0].labels.percent == 100


def test_a_settled_disagreement_stays_a_disagreement(lead: Person, draft: MergeMap, people: list[User]) -> None:
    answer(draft, people, "CIA", "EM")
    decide(draft, lead.user, "NS", "one")
    (row,) = shown(lead)["rows"]
    assert (row["stands"].code, [name for name, _category in row["answers"]]) == ("NS", ["first", "second"])


def test_each_pair_of_people_has_its_own_figures(lead: Person, draft: MergeMap, people: list[User]) -> None:
    third = make_user("third")
    answer(draft, people, "CIA", "CIA", name="one")
    answer(draft, [people[0], third], "CIA", "EM", name="two")
    found = {one.people: one.labels.percent for one in shown(lead)["figures"]}
    assert found == {(): 50, ("first", "second"): 100, ("first", "third"): 0}


def test_prevalence_is_the_share_of_each_answer(lead: Person, draft: MergeMap, people: list[User]) -> None:
    answer(draft, people, "CIA", "CIA", name="one")
    answer(draft, people, "CIA", "DROP", name="two")
    rows = [(getattr(one["category"], "code", one["category"]), one["share"]) for one in shown(lead)["prevalence"]]
    assert rows == [("CIA", 75), ("DROP", 25)]


def test_a_label_on_no_prompt_counts_by_label_alone(lead: Person, people: list[User], draft: MergeMap) -> None:
    make_suggestion(make_label("alone"), "OFF", 0.2)
    answer(make_map(), people, "CIA", "EM", name="alone")
    everybody = shown(lead)["figures"][0]
    assert (everybody.labels.units, everybody.prompts.units) == (1, 0)
    assert lead.get(PAGE).status_code == 200


def test_more_labels_cost_no_more_queries(lead: Person, draft: MergeMap, people: list[User]) -> None:
    answer(draft, people, "CIA", "EM", name="one")
    lead.get(PAGE)
    few = query_count(lambda: lead.get(PAGE))
    for name in NAMES[1:]:
        answer(draft, people, "CIA", "EM", name=name)
    assert query_count(lambda: lead.get(PAGE)) == few


@pytest.mark.parametrize("query", ["?map=99", "?map=x", "?map=99999999999999999999"])
def test_a_version_that_there_is_not_shows_the_newest(lead: Person, draft: MergeMap, query: str) -> None:
    assert lead.get(f"{PAGE}{query}").context["map"] == draft.version


# --- files ---


def test_the_tables_are_had_as_files_and_that_is_an_event(lead: Person, draft: MergeMap, people: list[User]) -> None:
    answer(draft, people, "CIA", "CIA", name="one")
    answer(draft, people, "CIA", "EM", name="two")
    assert file(lead, draft, "labels")[1:3] == ["two,1,first,CIA,undecided", "two,1,second,EM,undecided"]
    assert file(lead, draft, "prevalence")[1:3] == ["CIA,0.75,0.75", "EM,0.25,0.25"]
    assert file(lead, draft, "figures")[1].startswith("all,labels,2,0.5,")
    events = AuditEvent.objects.filter(verb="label.agreement").order_by("sequence")
    assert [event.facts["table"] for event in events] == ["labels", "prevalence", "figures"]


def test_an_unknown_table_is_not_found(lead: Person, draft: MergeMap) -> None:
    address = reverse("annotation:label-agreement-file", args=["nosuch"])
    assert lead.post(address, {"map": draft.version}).status_code == 404


# --- the rule ---


def test_a_lead_sets_the_two_person_rule(lead: Person) -> None:
    lead.post(reverse("annotation:label-policy"), {"two_people": "on", "prompts_from": 50, "confidence_below": 0.4})
    rule = policy_now()
    assert (rule.two_people, rule.prompts_from, rule.confidence_below) == (True, 50, 0.4)
    event = AuditEvent.objects.get()
    assert (event.verb, told(event)) == ("merge.policy", "changed which labels need two people")


@pytest.mark.parametrize("wrong", [{"prompts_from": 0}, {"confidence_below": 1.5}, {"confidence_below": "nan"}])
def test_a_rule_out_of_range_is_told_at_the_field_and_not_kept(lead: Person, wrong: dict[str, Any]) -> None:
    form = {"two_people": "on", "prompts_from": 50, "confidence_below": 0.4, **wrong}
    response = lead.post(reverse("annotation:label-policy"), form)
    assert (response.status_code, list(response.context["form"].errors)) == (422, list(wrong))
    assert not policy_now().two_people


def test_the_page_says_how_many_labels_need_two(lead: Person, draft: MergeMap) -> None:
    assert "4 labels of map v1 need two people" in lead.get(PAGE).text


def test_the_page_is_for_leads(annotator: Person, reviewer: Person, admin: Person) -> None:
    assert [one.get(PAGE).status_code for one in (annotator, reviewer, admin)] == [403] * 3
