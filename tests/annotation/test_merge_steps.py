"""What the browser gets for a step on the merge page: the lines that changed, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.models import IntentLabel, LabelComment, LabelSpelling, MapEntry, RefusedPair
from tests.factories import Person, make_label, make_map, make_prompts, make_suggestion

pytestmark = pytest.mark.django_db
MERGE = "/labels/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def labels(db: None) -> list[IntentLabel]:
    """Three labels on 6, 3 and 1 prompts, the first two of one suggestion."""
    prompts = make_prompts(6)
    made = [make_label("fraud", prompts), make_label("诈骗", prompts[:3]), make_label("weather", prompts[:1])]
    for label, code, confidence in zip(made, ("CIA", "CIA", "DP"), (0.95, 0.95, 0.5), strict=True):
        make_suggestion(label, code, confidence)
    return made


def step(person: Person, verb: str, *labels: IntentLabel, view: str = "flat", **more: Any) -> Any:
    first, *others = labels
    values = {"label": first.pk, "revision": 0, "also": [f"{one.pk}:0" for one in others], "query": f"view={view}"}
    return person.post(reverse(f"annotation:label-{verb}"), {**values, **more}, headers=HTMX)


def entry(label: IntentLabel) -> MapEntry:
    return MapEntry.objects.get(label=label, merge_map__state="draft")


def listed(response: Any) -> list[str]:
    return [row.name for item in response.context["items"] for row in item.rows]


def test_a_decision_answers_with_its_lines_and_says_what_was_done(annotator: Person, labels: list[IntentLabel]) -> None:
    response = step(annotator, "assign", labels[0], labels[1], category="NS")
    assert "<main" not in response.text
    assert f'hx-swap-oob="outerHTML:#item-{labels[0].pk}"' in response.text
    assert "2 labels, 6 prompts to NS" in response.text


def test_in_the_list_of_undecided_labels_the_line_goes(annotator: Person, labels: list[IntentLabel]) -> None:
    response = step(annotator, "assign", labels[0], view="undecided", category="NS")
    assert f'<li id="item-{labels[0].pk}" hx-swap-oob="delete">' in response.text


def test_what_was_not_ticked_stays_in_the_line_of_its_proposal(annotator: Person, labels: list[IntentLabel]) -> None:
    rest, item = [f"{labels[2].pk}:0"], labels[0].pk
    response = step(annotator, "assign", labels[0], view="proposals", category="NS", rest=rest, item=item)
    assert f'id="item-{labels[2].pk}"' in response.text
    assert f"outerHTML:#item-{labels[0].pk}" in response.text


def test_a_crossed_decision_is_answered_409_with_what_sends_it_again(
    annotator: Person, lead: Person, labels: list[IntentLabel]
) -> None:
    step(lead, "assign", labels[0], category="EM")
    response = step(annotator, "assign", labels[0], category="NS")
    assert response.status_code == 409
    conflict = response.context["conflict"]
    assert (conflict["actor"], conflict["category"].code, conflict["mine"].code) == ("lead", "EM", "NS")
    assert conflict["labels"] == [{"id": labels[0].pk, "revision": 1}]


def test_a_common_name_is_given_and_taken_away(annotator: Person, labels: list[IntentLabel]) -> None:
    step(annotator, "theme", labels[0], labels[1], theme="swindle")
    assert [entry(label).theme for label in labels] == ["swindle", "swindle", ""]
    step(annotator, "split", labels[0])
    assert entry(labels[0]).theme == ""


def test_a_flag_is_put_and_taken_away(annotator: Person, labels: list[IntentLabel]) -> None:
    step(annotator, "flag", labels[0])
    assert listed(annotator.get(MERGE, {"view": "conflicts"})) == ["fraud"]
    step(annotator, "flag", labels[0])
    assert listed(annotator.get(MERGE, {"view": "conflicts"})) == []


def test_a_label_is_kept_apart_from_the_rest_of_its_proposal(annotator: Person, labels: list[IntentLabel]) -> None:
    rest = [f"{one.pk}:0" for one in labels[1:]]
    response = step(annotator, "refuse", labels[0], view="proposals", rest=rest, item=labels[0].pk)
    pairs = {(pair.first_id, pair.second_id) for pair in RefusedPair.objects.all()}
    assert pairs == {(labels[0].pk, labels[1].pk), (labels[0].pk, labels[2].pk)}
    assert response.text.count("<li ") >= 2


def test_a_comment_is_shown_at_the_side(annotator: Person, labels: list[IntentLabel]) -> None:
    step(annotator, "comment", labels[0], text="two meanings")
    assert "two meanings" in annotator.get(f"/labels/{labels[0].pk}/", headers=HTMX).text


def test_an_empty_comment_changes_nothing(annotator: Person, labels: list[IntentLabel]) -> None:
    assert step(annotator, "comment", labels[0], text="").status_code == 422
    assert not LabelComment.objects.exists()


def test_discussing_flags_the_label_with_what_one_would_decide(annotator: Person, labels: list[IntentLabel]) -> None:
    step(annotator, "discuss", labels[0], category="NS")
    assert entry(labels[0]).flagged
    assert LabelComment.objects.get().text.endswith("NS")


def test_an_undo_brings_the_line_back_and_a_redo_takes_it_away(annotator: Person, labels: list[IntentLabel]) -> None:
    step(annotator, "assign", labels[0], category="NS")
    undone = annotator.post("/labels/undo/", {"query": "view=proposals"}, headers=HTMX).text
    assert f'id="item-{labels[0].pk}"' in undone and "data-fresh" in undone
    redone = annotator.post("/labels/redo/", {"query": "view=proposals"}, headers=HTMX).text
    assert "data-fresh" not in redone


def test_a_step_without_javascript_leads_back_to_the_page(annotator: Person, labels: list[IntentLabel]) -> None:
    values = {"label": labels[0].pk, "revision": 0, "theme": "swindle", "query": "view=flat"}
    assert annotator.post("/labels/theme/", values).url == f"/labels/?view=flat&label={labels[0].pk}"


def test_the_queries_of_a_decision_do_not_grow_with_the_labels(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map({labels[2]: "NS"})
    prompts = make_prompts(40, labels[0].intents.first().prompt.corpus)
    many = [make_label(f"label {n}", [prompt]) for n, prompt in enumerate(prompts)]
    step(annotator, "assign", labels[0], category="CIA")  # completes the draft
    with CaptureQueriesContext(connection) as few:
        step(annotator, "assign", *many[:2], category="NS", view="undecided")
    with CaptureQueriesContext(connection) as more:
        step(annotator, "assign", *many[2:], category="NS", view="undecided")
    assert len(more) <= len(few)


# --- the parts that are asked for ---


def test_the_labels_of_a_proposal_come_when_it_is_opened(annotator: Person, labels: list[IntentLabel]) -> None:
    text = annotator.get(reverse("annotation:label-members", args=[labels[0].pk])).text
    assert "fraud" in text and "<main" not in text


def test_the_numbers_come_for_themselves(annotator: Person, labels: list[IntentLabel]) -> None:
    make_map({labels[0]: "CIA"})
    text = annotator.get("/labels/counts/").text
    assert '<span class="n" id="labels-CIA" hx-swap-oob="true">1</span>' in text
    assert "<main" not in text


def test_others_are_told_which_label_somebody_looks_at(
    annotator: Person, lead: Person, labels: list[IntentLabel]
) -> None:
    lead.post("/labels/presence/", {"label": labels[0].pk})
    assert f'data-at="{labels[0].pk}" data-who="lead"' in annotator.post("/labels/presence/").text


# --- searching ---


@pytest.mark.parametrize("asked", ["zhapian", "zp", "诈骗", "swin"])
def test_a_label_is_found_by_pinyin_initials_and_spellings(
    annotator: Person, labels: list[IntentLabel], asked: str
) -> None:
    LabelSpelling.objects.create(label=labels[1], text="Swindling")
    assert listed(annotator.get(MERGE, {"view": "flat", "q": asked})) == ["诈骗"]


@pytest.mark.parametrize(
    ("facet", "value", "names"),
    [
        ("lang", "zh", ["诈骗"]),
        ("size", "1", ["fraud", "诈骗", "weather"]),
        ("sure", "low", ["weather"]),
        ("category", "DP", ["weather"]),
        ("who", "nobody", ["诈骗", "weather"]),
        ("who", "rule", ["fraud"]),
        ("evidence", "R", []),
    ],
)
def test_a_facet_narrows_the_list(
    annotator: Person, labels: list[IntentLabel], facet: str, value: str, names: list[str]
) -> None:
    make_map({labels[0]: "CIA"})
    found = listed(annotator.get(MERGE, {"view": "flat", facet: value}))
    assert sorted(found) == sorted(names or ["fraud", "诈骗", "weather"])


def test_the_corpus_narrows_the_list(annotator: Person, labels: list[IntentLabel]) -> None:
    corpus = labels[0].intents.first().prompt.corpus_id
    assert len(listed(annotator.get(MERGE, {"view": "flat", "corpus": corpus}))) == 3
    assert listed(annotator.get(MERGE, {"view": "flat", "corpus": corpus + 1})) == []


def test_what_changed_since_a_version_can_be_listed(annotator: Person, labels: list[IntentLabel]) -> None:
    published = make_map({label: "CIA" for label in labels}, published=True)
    values = {"label": labels[0].pk, "revision": entry_of(published, labels[0]).revision, "category": "NS"}
    annotator.post("/labels/assign/", values)
    assert listed(annotator.get(MERGE, {"view": "flat", "since": published.version})) == ["fraud"]


def entry_of(merge_map: Any, label: IntentLabel) -> MapEntry:
    return MapEntry.objects.get(merge_map=merge_map, label=label)


def test_a_proposal_counts_a_prompt_with_several_of_its_labels_once(
    annotator: Person, labels: list[IntentLabel]
) -> None:
    items = {len(one.rows): one.prompts for one in annotator.get(f"{MERGE}?view=proposals").context["items"]}
    assert items == {2: 6, 1: 1}
