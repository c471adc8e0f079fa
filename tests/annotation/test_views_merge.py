from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.merge.deciding import step_undo
from annotation.models import IntentLabel, LabelOperation, MapEntry, MergeMap
from madsafe_web.core.models import AuditEvent, Run, User
from tests.factories import (
    Person,
    make_label,
    make_map,
    make_prompts,
    make_run,
    make_suggestion,
    make_user,
    sign_in,
)

pytestmark = pytest.mark.django_db
MERGE = "/labels/"


@pytest.fixture
def labels(db: None) -> list[IntentLabel]:
    """Three labels on 6, 3 and 1 prompts; the middle one has the strongest suggestion."""
    prompts = make_prompts(6)
    made = [make_label("fraud", prompts), make_label("诈骗", prompts[:3]), make_label("weather", prompts[:1])]
    for label, code, confidence in zip(made, ("CIA", "CIA", ""), (0.3, 0.95, 0.9), strict=True):
        make_suggestion(label, code, confidence)
    return made


def assign(person: Client, label: IntentLabel, category: str, revision: int = 0, **more: Any) -> Any:
    return person.post(
        reverse("annotation:label-assign"),
        {"label": label.pk, "revision": revision, "category": category, "query": "view=undecided", **more},
    )


def entry(label: IntentLabel) -> MapEntry:
    return MapEntry.objects.get(label=label, merge_map__state=MergeMap.State.DRAFT)


def target(label: IntentLabel) -> str:
    found = entry(label)
    return "DROP" if found.dropped else (found.category.code if found.category else "")


def listed(response: Any) -> list[str]:
    return [row.name for item in response.context["items"] for row in item.rows]


# --- the page ---


def test_anonymous_people_are_sent_to_the_sign_in(client: Client) -> None:
    for path in (MERGE, "/labels/1/"):
        assert client.get(path).url.startswith("/accounts/login/")
    assert client.post("/labels/assign/").url.startswith("/accounts/login/")


def test_everybody_signed_in_sees_the_page(
    annotator: Person, reviewer: Person, lead: Person, admin: Person, labels: list[IntentLabel]
) -> None:
    assert [person.get(MERGE).status_code for person in (annotator, reviewer, lead, admin)] == [200] * 4


def test_looking_changes_nothing(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map({labels[0]: "CIA"}, published=True)
    with CaptureQueriesContext(connection) as queries:
        annotator.get(MERGE)
        annotator.get(f"/labels/{labels[0].pk}/")
    assert not [q for q in queries.captured_queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert not MergeMap.objects.filter(state=MergeMap.State.DRAFT).exists()


def test_a_page_without_labels_says_so(annotator: Person) -> None:
    response = annotator.get(MERGE)
    assert response.context["map"]["has_labels"] is False
    assert "No labels yet" in response.text


def test_labels_come_by_prompts_times_confidence(annotator: Person, labels: list[IntentLabel]) -> None:
    assert listed(annotator.get(MERGE)) == ["诈骗", "fraud", "weather"]


def test_decided_labels_come_last(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map({labels[1]: "CIA"})
    assert listed(annotator.get(f"{MERGE}?view=flat")) == ["fraud", "weather", "诈骗"]


def test_a_view_holds_its_labels(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map({labels[0]: "CIA", labels[1]: "NS"})
    found = {
        view: listed(annotator.get(MERGE, {"view": "flat", "state": view}))
        for view in ("undecided", "decided", "differs")
    }
    assert found == {"undecided": ["weather"], "decided": ["诈骗", "fraud"], "differs": ["诈骗"]}


def test_the_search_takes_any_spelling(annotator: Person, labels: list[IntentLabel]) -> None:
    assert listed(annotator.get(MERGE, {"q": "FRAUD"})) == ["fraud"]
    assert listed(annotator.get(MERGE, {"q": "詐騙"})) == ["诈骗"]


def test_the_category_filter_takes_decisions_before_suggestions(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map({labels[0]: "NS"})
    assert listed(annotator.get(MERGE, {"view": "flat", "category": "CIA"})) == ["诈骗"]
    assert listed(annotator.get(MERGE, {"view": "flat", "category": "NS"})) == ["fraud"]


def test_a_wrong_filter_falls_back_and_says_so(annotator: Person, labels: list[IntentLabel]) -> None:
    response = annotator.get(MERGE, {"view": "nonsense", "category": "XX", "label": "x"})
    assert response.status_code == 200
    assert len(listed(response)) == 3
    assert "left out" in response.text


def test_a_prompt_counts_as_decided_when_all_its_labels_are(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map({labels[0]: "CIA", labels[1]: "DROP"})
    progress = annotator.get(MERGE).context["progress"]
    assert (progress["prompts_done"], progress["prompts_total"], progress["labels_left"]) == (5, 6, 1)


def test_a_category_counts_a_prompt_with_two_of_its_labels_once(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map({labels[0]: "CIA", labels[1]: "CIA", labels[2]: "DROP"})
    context = annotator.get(MERGE).context
    row = next(row for row in context["categories"] if row["code"] == "CIA")
    assert (row["labels"], row["prompts"]) == (2, 6)
    assert context["dropped"] == {"labels": 1, "prompts": 1}


def test_the_side_shows_the_label_with_its_sources_and_neighbours(annotator: Person, labels: list[IntentLabel]) -> None:
    selected = annotator.get(MERGE, {"label": labels[0].pk}).context["selected"]
    assert (selected.name, selected.prompts, selected.alone_percent) == ("fraud", 6, 50)
    assert [(source.name, source.count) for source in selected.sources] == [("Corpus", 6)]
    assert selected.together == ["诈骗", "weather"]


def test_more_examples_go_on_after_the_first_ones_and_then_begin_again(annotator: Person) -> None:
    label = make_label("many", make_prompts(10))
    first = annotator.get(f"/labels/{label.pk}/").context["selected"]
    second = annotator.get(first.more_url).context["selected"]
    assert [example.text for example in second.examples] == ["prompt 9", "prompt 10"]
    assert annotator.get(second.more_url).context["selected"].examples == first.examples


def test_htmx_gets_only_the_side(annotator: Person, labels: list[IntentLabel]) -> None:
    response = annotator.get(f"/labels/{labels[0].pk}/", headers={"HX-Request": "true"})
    assert response.text.lstrip().startswith("<section")
    assert 'id="label-pane"' in response.text


def test_a_label_that_does_not_exist_is_not_found(annotator: Person) -> None:
    assert annotator.get("/labels/99/").status_code == 404


def test_the_number_of_queries_does_not_depend_on_the_number_of_labels(
    annotator: Person, labels: list[IntentLabel]
) -> None:
    def queries() -> int:
        annotator.get(MERGE)
        with CaptureQueriesContext(connection) as captured:
            annotator.get(MERGE)
        return len(captured)

    make_map({labels[0]: "CIA"})
    few = queries()
    more = [
        make_label(f"label {n}", [prompt])
        for n, prompt in enumerate(make_prompts(30, labels[0].intents.first().prompt.corpus))
    ]
    make_map({label: "NS" for label in more[:15]})
    assert queries() == few
    assert few <= 35


def test_a_label_that_no_prompt_carries_is_shown_and_decided_like_others(annotator: Person) -> None:
    label = make_label("imported alone")
    for view in ({"view": "proposals"}, {"view": "flat", "state": "all"}):
        assert listed(annotator.get(MERGE, view)) == ["imported alone"]
    for address in ("label", "label-members"):
        shown = annotator.get(reverse(f"annotation:{address}", args=[label.pk]), headers={"HX-Request": "true"})
        assert (shown.status_code, "imported alone" in shown.content.decode()) == (200, True)
    assign(annotator, label, "CIA")
    assert target(label) == "CIA"


def test_where_no_prompt_carries_a_label_the_progress_counts_labels(annotator: Person) -> None:
    label, _other = make_label("one"), make_label("another")
    assign(annotator, label, "CIA")
    page = annotator.get(MERGE)
    assert page.context["progress"]["percent"] == 50.0
    assert "of the labels decided" in page.content.decode()


# --- deciding ---


@pytest.mark.parametrize("path", ["assign", "undo", "redo", "publish", "finish"])
def test_only_people_with_the_right_may_step(reviewer: Person, admin: Person, path: str) -> None:
    assert [person.post(f"/labels/{path}/").status_code for person in (reviewer, admin)] == [403, 403]


def test_an_annotator_neither_publishes_nor_finishes(annotator: Person) -> None:
    assert [annotator.post(f"/labels/{path}/").status_code for path in ("publish", "finish")] == [403, 403]


def test_steps_are_taken_by_post_only(lead: Person) -> None:
    paths = ("assign", "undo", "redo", "finish")
    assert [lead.get(f"/labels/{path}/").status_code for path in paths] == [405] * 4


def test_the_first_decision_opens_the_draft_and_leads_to_the_next_label(
    annotator: Person, labels: list[IntentLabel]
) -> None:
    response = assign(annotator, labels[1], "CIA")
    assert response.url == f"/labels/?view=undecided&label={labels[0].pk}"
    assert target(labels[1]) == "CIA"
    assert LabelOperation.objects.get().actor == annotator.user


def test_a_decision_on_a_copy_of_a_published_map_uses_the_revision_that_was_shown(
    annotator: Person, labels: list[IntentLabel]
) -> None:
    make_map({label: "CIA" for label in labels}, published=True)
    row = annotator.get(MERGE, {"view": "flat", "label": labels[0].pk}).context["selected"]
    assert assign(annotator, labels[0], "NS", row.revision).status_code == 302
    assert (target(labels[0]), target(labels[1])) == ("NS", "CIA")


def test_a_label_that_came_after_the_draft_can_be_decided(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map()
    late = make_label("late", make_prompts(1, labels[0].intents.first().prompt.corpus))
    assert assign(annotator, late, "NS").status_code == 302
    assert target(late) == "NS"


def test_a_stale_decision_is_answered_with_the_page_and_the_first_one_stands(
    annotator: Person, lead: Person, labels: list[IntentLabel]
) -> None:
    assign(annotator, labels[0], "CIA")
    response = assign(lead, labels[0], "NS")
    assert response.status_code == 409
    assert target(labels[0]) == "CIA"
    assert response.context["conflict"]["actor"] == "annotator"
    assert response.context["conflict"]["category"].code == "CIA"
    assert response.context["selected"].revision == 1
    assert "Their decision stands" in response.text


def test_a_label_can_be_dropped_and_made_undecided_again(annotator: Person, labels: list[IntentLabel]) -> None:
    assign(annotator, labels[2], "DROP")
    assert target(labels[2]) == "DROP"
    assign(annotator, labels[2], "", revision=1)
    assert entry(labels[2]).decided_by == ""


def test_ticked_labels_are_decided_together(annotator: Person, labels: list[IntentLabel]) -> None:
    assign(annotator, labels[0], "CIA", also=[f"{labels[1].pk}:0", f"{labels[0].pk}:0"])
    assert [target(label) for label in labels] == ["CIA", "CIA", ""]


def test_if_one_of_the_ticked_is_stale_none_is_decided(
    annotator: Person, lead: Person, labels: list[IntentLabel]
) -> None:
    assign(lead, labels[1], "NS")
    assert assign(annotator, labels[0], "CIA", also=[f"{labels[1].pk}:0"]).status_code == 409
    assert [target(label) for label in labels[:2]] == ["", "NS"]


@pytest.mark.parametrize(
    "wrong", [{"category": "NONE"}, {"revision": "-1"}, {"label": "x"}, {"also": "1:2:3"}, {"revision": ""}]
)
def test_a_decision_that_cannot_be_read_changes_nothing(
    annotator: Person, labels: list[IntentLabel], wrong: dict[str, str]
) -> None:
    values = {"label": labels[0].pk, "revision": 0, "category": "CIA", **wrong}
    assert annotator.post("/labels/assign/", values).status_code == 422
    assert not MergeMap.objects.exists()


def test_a_decision_about_an_unknown_label_is_not_found(annotator: Person) -> None:
    assert annotator.post("/labels/assign/", {"label": 99, "revision": 0, "category": "CIA"}).status_code == 404


def test_the_way_back_keeps_only_what_the_page_knows(annotator: Person, labels: list[IntentLabel]) -> None:
    url = assign(annotator, labels[0], "CIA", query="view=flat&q=a%26b&next=//elsewhere").url
    assert url.startswith("/labels/?view=flat&q=a%26b") and "elsewhere" not in url


# --- undo and redo ---


def test_undo_and_redo_walk_over_the_own_steps(annotator: Person, lead: Person, labels: list[IntentLabel]) -> None:
    assign(annotator, labels[0], "CIA")
    assign(lead, labels[1], "NS")
    response = annotator.post("/labels/undo/")
    assert response.url == f"/labels/?view=proposals&label={labels[0].pk}"
    assert [target(label) for label in labels[:2]] == ["", "NS"]
    annotator.post("/labels/redo/")
    assert target(labels[0]) == "CIA"


def test_the_page_knows_what_can_be_undone_and_redone(annotator: Person, labels: list[IntentLabel]) -> None:
    def able() -> tuple[bool, bool]:
        context = annotator.get(MERGE).context
        return context["can_undo"], context["can_redo"]

    assert able() == (False, False)
    assign(annotator, labels[0], "CIA")
    assert able() == (True, False)
    annotator.post("/labels/undo/")
    assert able() == (False, True)


def test_an_undo_that_somebody_crossed_is_a_conflict(
    annotator: Person, lead: Person, labels: list[IntentLabel]
) -> None:
    assign(annotator, labels[0], "CIA")
    assign(lead, labels[0], "NS", revision=1)
    response = annotator.post("/labels/undo/")
    assert response.status_code == 409
    assert response.context["conflict"]["actor"] == "lead"
    assert target(labels[0]) == "NS"


def test_nothing_to_undo_is_said(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map()
    assert "nothing of yours" in annotator.post("/labels/undo/", follow=True).text
    assert step_undo(user=annotator.user, draft=MergeMap.objects.get()) is None


def test_the_history_names_who_decided(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map({labels[0]: "CIA"})
    assign(annotator, labels[1], "NS")
    told = [(step["actor"], step["text"]) for step in annotator.get(MERGE).context["history"]]
    assert told == [("annotator", "“诈骗” → NS"), ("", "“fraud” → CIA")]


# --- publishing ---


def test_a_lead_publishes_the_draft(lead: Person, labels: list[IntentLabel]) -> None:
    draft = make_map({labels[0]: "CIA"})
    assert lead.get(MERGE).context["can_publish"] is True
    assert lead.post("/labels/publish/", {"map": draft.pk}).status_code == 302
    draft.refresh_from_db()
    assert draft.state == MergeMap.State.PUBLISHED
    assert AuditEvent.objects.get(verb="map.publish").actor == lead.user


def test_publishing_twice_is_a_conflict(lead: Person, labels: list[IntentLabel]) -> None:
    published = make_map({labels[0]: "CIA"}, published=True)
    assert lead.post("/labels/publish/", {"map": published.pk}).status_code == 409


@pytest.mark.parametrize("path", ["publish", "finish"])
@pytest.mark.parametrize("wrong", ["", "x", "99"])
def test_publishing_what_is_no_map_is_not_found(lead: Person, path: str, wrong: str) -> None:
    assert lead.post(f"/labels/{path}/", {"map": wrong}).status_code == 404


def test_while_a_merge_run_waits_it_is_finished_instead_of_publishing(lead: Person, labels: list[IntentLabel]) -> None:
    draft = make_map()
    run = make_run("merge", Run.State.NEEDS_PEOPLE, params={"decide": "people", "leave_undecided": 0})
    context = lead.get(MERGE).context
    assert (context["can_publish"], context["can_finish"]) == (False, True)
    assert lead.post("/labels/publish/", {"map": draft.pk}).status_code == 409
    assert lead.post("/labels/finish/", {"map": draft.pk}).status_code == 302
    run.refresh_from_db()
    assert (run.state, run.outputs["finished_by"]) == (Run.State.QUEUED, "lead")
    assert lead.post("/labels/finish/", {"map": draft.pk}).status_code == 409


def test_the_changes_are_counted_against_the_parent(lead: Person, labels: list[IntentLabel]) -> None:
    make_map({labels[0]: "CIA", labels[1]: "CIA"}, published=True)
    other = sign_in(make_user("other", User.Role.LEAD))
    assign(other, labels[0], "NS")
    context = lead.get(MERGE).context
    shown = context["map"]
    assert (shown["version"], shown["parent"], context["changes"]["labels"]) == (2, 1, 1)
