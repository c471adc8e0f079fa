from __future__ import annotations

import math
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotation.models import Prompt, Response
from madsafe_web.core.models import Endpoint, Generation
from pipeline.models import Score
from tests.factories import (
    Person,
    make_corpus,
    make_label,
    make_map,
    make_prompt,
    make_prompts,
    make_response,
    make_run,
)

pytestmark = pytest.mark.django_db
PROMPTS = "/prompts/"


def ids(response: Any) -> list[int]:
    return [row.id for row in response.context["prompts"]]


def score(prompt: Prompt, kind: str, value: float, response: Response | None = None, **detail: Any) -> None:
    values = {"scorer": "rules", "run": make_run("perplexity"), "detail": detail}
    Score.objects.create(prompt=prompt, kind=kind, value=value, response=response, **values)


def queries(person: Person, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert person.get(path).status_code == 200
    return len(captured)


# --- who may look ---


@pytest.mark.parametrize("path", ["/prompts/", "/prompts/1/", "/corpora/", "/corpora/1/"])
def test_anonymous_people_are_sent_to_the_sign_in(client: Client, path: str) -> None:
    assert client.get(path).url.startswith("/accounts/login/")


def test_every_role_may_look(annotator: Person, reviewer: Person, lead: Person, admin: Person) -> None:
    prompt = make_prompt()
    paths = ("/prompts/", f"/prompts/{prompt.pk}/", "/corpora/", f"/corpora/{prompt.corpus_id}/")
    for person in (annotator, reviewer, lead, admin):
        assert [person.get(path).status_code for path in paths] == [200] * 4


def test_a_person_without_a_known_role_may_not(annotator: Person) -> None:
    type(annotator.user).objects.update(role="guest")
    assert [annotator.get(path).status_code for path in ("/prompts/", "/corpora/")] == [403, 403]


@pytest.mark.parametrize("path", ["/prompts/", "/corpora/"])
def test_the_pages_only_look(annotator: Person, path: str) -> None:
    make_prompts(3)
    with CaptureQueriesContext(connection) as captured:
        annotator.get(path)
    assert not [q for q in captured.captured_queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert annotator.post(path).status_code in (403, 405)


@pytest.mark.parametrize("path", ["/prompts/99/", "/corpora/99/"])
def test_what_does_not_exist_is_not_found(annotator: Person, path: str) -> None:
    assert annotator.get(path).status_code == 404


# --- the list ---


def test_the_newest_prompts_come_first_and_pages_join_without_a_gap(annotator: Person) -> None:
    made = [prompt.pk for prompt in make_prompts(120)]
    first = annotator.get(PROMPTS)
    second = annotator.get(f"{PROMPTS}?{first.context['pager'].next}")
    third = annotator.get(f"{PROMPTS}?{second.context['pager'].next}")
    assert ids(first) + ids(second) + ids(third) == made[::-1]
    assert third.context["pager"].next == ""
    assert ids(annotator.get(f"{PROMPTS}?{third.context['pager'].previous}")) == ids(second)


def test_the_filter_stays_in_the_addresses_of_the_pages(annotator: Person) -> None:
    make_prompts(60)
    pager = annotator.get(PROMPTS, {"q": "prompt"}).context["pager"]
    assert "q=prompt" in pager.next and pager.total == 60


def test_each_filter_keeps_what_fits(annotator: Person) -> None:
    first = make_prompts(3)
    other = make_prompt("about rivers", make_corpus("Other"), state=Prompt.State.DUPLICATE)
    label = make_label("fraud", first[:1])
    make_map({label: "CIA"}, published=True)

    def found(**filters: Any) -> set[int]:
        return set(ids(annotator.get(PROMPTS, filters)))

    assert found(q="river") == {other.pk}
    assert found(corpus=other.corpus_id) == {other.pk}
    assert found(state="duplicate") == {other.pk}
    assert found(category="CIA") == {first[0].pk}
    assert found(category="CIA", q="river") == set()


def test_a_wrong_filter_is_left_out_and_said(annotator: Person) -> None:
    make_prompts(2)
    response = annotator.get(PROMPTS, {"corpus": "x", "state": "gone", "category": "??", "before": "-1"})
    assert response.status_code == 200
    assert len(ids(response)) == 2
    assert "left out" in response.text


def test_markup_in_a_prompt_is_shown_as_text(annotator: Person) -> None:
    make_prompt("<b>bold</b>")
    assert "&lt;b&gt;bold" in annotator.get(PROMPTS).text


def test_a_row_shows_labels_categories_and_scores(annotator: Person) -> None:
    prompt = make_prompt()
    labels = [make_label(name, [prompt]) for name in ("fraud", "weather", "new")]
    make_map({labels[0]: "CIA", labels[1]: "DROP"}, published=True)
    replies = [make_response(prompt, text) for text in ("one", "two")]
    score(prompt, "perplexity", 2.0)
    score(prompt, "instruction_safety", 0.4)
    score(prompt, "response_safety", 0.2, replies[0], given=[0.1, 0.3])
    score(prompt, "response_safety", 0.75, replies[1], given=[0.5, 1.0])
    row = annotator.get(PROMPTS).context["prompts"][0]
    assert row.labels == ["fraud", "weather", "new"]
    assert [category.code for category in row.categories] == ["CIA"]
    assert (row.perplexity, row.instruction_safety) == (math.exp(2), 0.4)
    assert (row.response_safety, row.order_gap) == (0.75, 0.5)


def test_the_page_of_a_prompt_says_who_gave_its_scores_for_an_endpoint_that_refused(annotator: Person) -> None:
    prompt = make_prompt()
    score(prompt, "instruction_safety", 0.4, answered_by="other / large")
    assert "other / large" in annotator.get(f"{PROMPTS}{prompt.pk}/").text


def test_the_number_of_queries_does_not_depend_on_the_number_of_prompts(annotator: Person) -> None:
    corpus = make_corpus()
    make_map({make_label("one", make_prompts(1, corpus)): "CIA"}, published=True)
    annotator.get(PROMPTS)  # the catalogue is made with the first view
    few = queries(annotator, PROMPTS)
    for number, prompt in enumerate(make_prompts(40, corpus)):
        make_label(f"label {number}", [prompt])
    annotator.get(PROMPTS)
    assert queries(annotator, PROMPTS) == few
    assert few <= 16


# --- one prompt ---


def test_a_prompt_is_shown_with_its_responses_and_where_it_came_from(annotator: Person) -> None:
    parent = make_prompt("parent text", make_corpus("Origin"))
    run = make_run("augment_related")
    prompt = make_prompt("child text", parent.corpus, origin="generated", run=run, parents=[parent.pk], source_id="s-7")
    make_response(prompt, "a reply")
    label = make_label("fraud", [prompt])
    response = annotator.get(f"/prompts/{prompt.pk}/")
    names = [step["name"] for step in response.context["lineage"]]
    assert names == ["Generated", "Made from", "Labelled"]
    assert f'href="/prompts/{parent.pk}/"' in response.text
    assert f"label={label.pk}" in response.text
    assert all(text in response.text for text in ("child text", "a reply", "s-7", "Origin"))


def test_a_regenerated_response_shows_what_it_was_reasoned_from_once(annotator: Person) -> None:
    run, endpoint = make_run("regenerate"), Endpoint.objects.create(name="rules", backend="rules")
    text = "Analysis: it asks A.\nExplanation: because B.\nReply: the reply C"
    generation = Generation.objects.create(call_key="k", run=run, endpoint=endpoint, model="m", text=text)
    prompt = make_prompt()
    make_response(prompt, "the reply C", origin="regenerated", run=run, generation=generation)
    shown = annotator.get(f"/prompts/{prompt.pk}/").context["responses"][0]
    assert (shown["kind"], shown["text"]) == ("Regenerated", "the reply C")
    assert shown["analysis"] == "it asks A.\n\nbecause B."


def test_a_duplicate_names_its_twin(annotator: Person) -> None:
    twin = make_prompt("first")
    values = {"state": "duplicate", "twin": twin, "similarity": 0.93, "state_run": make_run("deduplicate")}
    prompt = make_prompt("second", twin.corpus, **values)
    lineage = annotator.get(f"/prompts/{prompt.pk}/").context["lineage"]
    assert lineage[-1]["text"] == f"prompt {twin.pk}, similarity 0.93"
