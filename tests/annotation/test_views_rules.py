"""The page of the saved rules."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from annotation.merge.deciding import labels_decide
from annotation.merge.drafts import map_draft_open
from annotation.merge.states import Decision
from annotation.models import Corpus, LabelRule, MapEntry
from madsafe_web.core.models import AuditEvent, User
from tests.factories import Person, make_label, make_map, make_prompts
from tests.helpers.queries import query_count

pytestmark = pytest.mark.django_db
PAGE = "/labels/rules/"
WITHDRAW = "annotation:label-rule-withdraw"


def ruled(
    user: User, target: str = "PP", names: tuple[str, ...] = ("privacy violation", "violation of privacy")
) -> Any:
    """A rule that somebody's decision about labels of one name made."""
    corpus = Corpus.objects.first()
    ids = [make_label(name, make_prompts(1, corpus or Corpus.objects.first())).pk for name in names]
    map_draft_open()
    seen = dict(MapEntry.objects.filter(label__in=ids).values_list("label", "revision"))
    labels_decide(user=user, seen=seen, decision=Decision(target))
    return LabelRule.objects.latest("pk")


def late(name: str = "Privacy-Violations") -> None:
    make_label(name, make_prompts(1, Corpus.objects.first()))


def rows(person: Person) -> list[Any]:
    return list(person.get(PAGE).context["rules"])


def test_without_a_rule_the_page_says_how_one_comes_about(annotator: Person) -> None:
    assert "A rule is saved when several labels" in annotator.get(PAGE).text


def test_a_rule_tells_its_key_its_target_and_who_decided(annotator: Person) -> None:
    rule = ruled(annotator.user)
    (row,) = (row for row in rows(annotator) if row.id == rule.pk)
    assert (row.key, row.target.code, row.actor, row.about) == (
        rule.key,
        "PP",
        "annotator",
        "“privacy violation” and 1 more",
    )


def test_what_a_rule_decided_is_counted(annotator: Person) -> None:
    ruled(annotator.user)
    late()
    map_draft_open()
    assert {(row.decided, row.open) for row in rows(annotator)} == {(1, 0)}


def test_what_a_model_decided_is_not_what_a_rule_decided(annotator: Person) -> None:
    ruled(annotator.user)
    label = make_label("violations of privacy")
    LabelRule.objects.filter(standing=True).update(standing=False)
    make_map({label: "PP"})
    LabelRule.objects.update(standing=True)
    assert {row.decided for row in rows(annotator)} == {0}


def test_what_the_rules_would_decide_is_counted_and_decided_by_one_press(annotator: Person) -> None:
    make_prompts(1)
    late()
    map_draft_open()
    ruled(annotator.user)
    page = annotator.get(PAGE)
    assert (page.context["open"], {row.open for row in page.context["rules"]}) == (1, {1})
    told = annotator.post(reverse("annotation:label-rules-apply"), follow=True).text
    assert "1 label is decided by rule." in told and "Undo" in told
    assert {(row.decided, row.open) for row in rows(annotator)} == {(1, 0)}


def test_a_rule_is_withdrawn_and_undo_brings_it_back(annotator: Person) -> None:
    rule = ruled(annotator.user)
    told = annotator.post(reverse(WITHDRAW), {"rule": rule.pk}, follow=True).text
    assert "The rule decides no more labels." in told
    assert rule.pk not in [row.id for row in rows(annotator)]
    annotator.post(reverse("annotation:label-undo"))
    assert rule.pk in [row.id for row in rows(annotator)]


def test_a_withdrawal_stands_in_the_history_and_in_the_record(annotator: Person) -> None:
    rule = ruled(annotator.user)
    annotator.post(reverse(WITHDRAW), {"rule": rule.pk})
    line = annotator.get("/labels/history/").context["lines"][0]
    assert (line.about, line.outcome, line.may) == (f"the rule “{rule.key}” → PP", "withdrawn", "undo")
    assert AuditEvent.objects.latest("sequence").facts["rule"] == rule.pk


def test_a_rule_that_was_withdrawn_meanwhile_is_told_so(annotator: Person, lead: Person) -> None:
    rule = ruled(annotator.user)
    lead.post(reverse(WITHDRAW), {"rule": rule.pk})
    told = annotator.post(reverse(WITHDRAW), {"rule": rule.pk}, follow=True).text
    assert "This rule holds no more." in told


def test_who_may_not_decide_reads_but_withdraws_nothing(annotator: Person, reviewer: Person) -> None:
    rule = ruled(annotator.user)
    assert "Withdraw" not in reviewer.get(PAGE).text
    assert reviewer.post(reverse(WITHDRAW), {"rule": rule.pk}).status_code == 403


def test_many_rules_cost_as_many_queries_as_one(annotator: Person) -> None:
    ruled(annotator.user)
    annotator.get(PAGE)
    few = query_count(lambda: annotator.get(PAGE))
    for word in ("alpha", "beta", "gamma"):
        ruled(annotator.user, "DP", (f"{word} weather", f"weather of {word}"))
    assert query_count(lambda: annotator.get(PAGE)) == few
