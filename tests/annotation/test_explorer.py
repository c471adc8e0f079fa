"""The explorer as people use it: filters in the address, facets, pages, chips, and what a prompt's page tells."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict

from annotation.catalogue import loading
from annotation.catalogue.wanted import FACETS
from annotation.models import Prompt
from annotation.prompt_filter import PromptFilter
from annotation.text import folded
from madsafe_web.core.audit import audit
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
from tests.helpers.queries import query_count

pytestmark = pytest.mark.django_db
PROMPTS = "/prompts/"


def ids(answer: Any) -> list[int]:
    return [row.id for row in answer.context["prompts"]]


def facet(person: Person, name: str, query: str = "") -> dict[str, tuple[int, bool]]:
    shown = person.get(f"/prompts/facets/{name}/?{query}").context["facet"]
    return {value.value: (value.count, value.chosen) for value in shown.values}


def parsed(query: str) -> PromptFilter:
    return PromptFilter(QueryDict(query))


# --- the address ---


@pytest.mark.parametrize(
    "query",
    [
        "q=%E5%A4%A9%E6%B0%94+AND&within=responses",
        "map=3&corpus=1&corpus=2&category=OFF&category=none&label=7",
        "language=zh&scenario=a+%26+b&scenario=-&attack=-&origin=imported&state=active&responses=no",
        "perplexity_min=2.5&perplexity_max=40&response_safety_min=0.5&instruction_safety_max=0.25&sort=-length&page=7",
    ],
)
def test_an_address_says_everything_that_the_filter_holds(query: str) -> None:
    filters = parsed(query)
    assert not filters.refused
    assert filters.address(page=filters.kept["page"]) == query


@pytest.mark.parametrize(
    "query", ["corpus=x", "label=1%00", "state=gone", "perplexity_min=nan", "category=%3F", "map=0"]
)
def test_what_is_no_filter_is_left_out_and_said(annotator: Person, query: str) -> None:
    make_prompts(2)
    answer = annotator.get(f"{PROMPTS}?{query}")
    assert len(ids(answer)) == 2
    assert "left out" in answer.text


@pytest.mark.parametrize("query", ["page=x", "page=-1", "page=" + "9" * 30, "sort=password", "sort=key"])
def test_a_page_or_an_order_that_is_none_is_another_one_without_a_word(annotator: Person, query: str) -> None:
    make_prompts(2)
    answer = annotator.get(f"{PROMPTS}?{query}")
    assert len(ids(answer)) == 2
    assert "left out" not in answer.text


def test_every_condition_is_a_chip_that_can_be_taken_away_alone(annotator: Person) -> None:
    corpus = make_prompts(1, make_corpus("First"))[0].corpus_id
    other = make_corpus("Second").pk
    query = f"q=prompt&corpus={corpus}&corpus={other}&instruction_safety_min=0.5"
    chips = {chip.text: chip.without for chip in annotator.get(f"{PROMPTS}?{query}").context["chips"]}
    assert chips["Corpus: First"] == f"q=prompt&corpus={other}&instruction_safety_min=0.5"
    assert chips["“prompt”"] == f"corpus={corpus}&corpus={other}&instruction_safety_min=0.5"
    assert chips["Instruction safety ≥ 0.5"] == f"q=prompt&corpus={corpus}&corpus={other}"


def test_a_change_of_the_filter_answers_the_results_alone_with_their_address(annotator: Person) -> None:
    make_prompts(2)
    answer = annotator.get(f"{PROMPTS}?q=prompt+2&sort=&perplexity_min=", headers={"HX-Request": "true"})
    assert answer.headers["HX-Push-Url"] == "/prompts/?q=prompt+2"
    assert answer.text.lstrip().startswith('<div id="results">')


# --- pages and orders ---


def test_any_page_can_be_opened_at_once(annotator: Person) -> None:
    made = [one.pk for one in make_prompts(130)][::-1]
    answer = annotator.get(f"{PROMPTS}?page=3")
    pager = answer.context["pager"]
    assert (ids(answer), pager.number, pager.count, pager.first, pager.last) == (made[100:], 3, 3, 101, 130)
    assert ids(annotator.get(f"{PROMPTS}?page=99")) == made[100:]


def test_prompts_stand_in_the_order_that_is_asked_for(annotator: Person) -> None:
    corpus, run = make_corpus(), make_run("perplexity")
    made = [make_prompt(text, corpus) for text in ("one", "three", "fourteen")]
    for prompt, value in zip(made, (0.5, 0.1, 0.9), strict=True):
        Score.objects.create(kind="instruction_safety", prompt=prompt, scorer="a", value=value, run=run)
    first, second, third = (one.pk for one in made)
    assert ids(annotator.get(f"{PROMPTS}?sort=instruction_safety")) == [second, first, third]
    assert ids(annotator.get(f"{PROMPTS}?sort=-length")) == [third, second, first]


def test_a_range_takes_perplexity_as_people_see_it(annotator: Person) -> None:
    prompt, run = make_prompt(), make_run("perplexity")
    Score.objects.create(kind="perplexity", prompt=prompt, scorer="a", value=3.0, run=run)  # e³ = 20.09
    make_prompt("not scored", prompt.corpus)
    assert ids(annotator.get(f"{PROMPTS}?perplexity_min=20&perplexity_max=20.1")) == [prompt.pk]
    assert ids(annotator.get(f"{PROMPTS}?perplexity_max=20")) == []


# --- search ---


@pytest.mark.parametrize("word", ["學", "学", "習題", "ＡＢ", "ab", "%", "_", "*", '"', "AND", "题A"])
def test_a_word_is_found_as_it_is_whatever_its_script_and_width(annotator: Person, word: str) -> None:
    prompt = make_prompt('学习题ab %_*" AND')
    make_prompt("other", prompt.corpus)
    Prompt.objects.filter(pk=prompt.pk).update(folded=folded(prompt.text))
    assert ids(annotator.get(PROMPTS, {"q": word})) == [prompt.pk]


def test_responses_are_searched_only_when_that_is_asked_for(annotator: Person) -> None:
    prompt = make_prompt("about rivers")
    make_response(prompt, "an answer about boats")
    answer = annotator.get(f"{PROMPTS}?q=boats")
    assert ids(answer) == []
    assert ids(annotator.get(f"{PROMPTS}?{answer.context['within']}")) == [prompt.pk]


@pytest.mark.parametrize(("word", "found"), [("Boats 100%", True), ("boats 100%", False), ("Boats_100", False)])
def test_responses_are_searched_for_the_text_exactly_as_written(annotator: Person, word: str, found: bool) -> None:
    make_response(make_prompt("about rivers"), "an answer about Boats 100%")
    answer = annotator.get(PROMPTS, {"q": word, "within": "responses"})
    assert bool(ids(answer)) is found
    assert "Also in the responses, as written" in answer.text


# --- facets ---


def test_a_facet_counts_without_its_own_filter_and_with_the_others(annotator: Person) -> None:
    first, second = make_corpus("First"), make_corpus("Second")
    make_prompts(3, first, scenario="one")
    make_prompts(2, second, scenario="one")
    make_prompts(1, second, scenario="two")
    query = f"corpus={first.pk}&scenario=one"
    assert facet(annotator, "corpus", query) == {str(first.pk): (3, True), str(second.pk): (2, False)}
    assert facet(annotator, "scenario", query) == {"one": (3, True)}


def test_categories_are_counted_by_the_map_that_is_chosen(annotator: Person) -> None:
    label = make_label("fraud", make_prompts(2))
    make_prompts(1, make_corpus("Other"))
    make_map({label: "CIA"}, published=True)
    make_map({label: "UB"}, published=True)
    assert facet(annotator, "category") == {"UB": (2, False), "none": (1, False)}
    assert facet(annotator, "category", "map=1&category=CIA") == {"CIA": (2, True), "none": (1, False)}
    row = annotator.get(f"{PROMPTS}?map=1&category=CIA").context["prompts"][0]
    assert [one.code for one in row.categories] == ["CIA"]


def test_of_many_labels_the_most_frequent_are_shown_and_the_others_are_found_by_name(annotator: Person) -> None:
    prompts, run = make_prompts(30), make_run()
    for number in range(30):
        make_label(f"label {number}", prompts[number:], run)
    shown = annotator.get("/prompts/facets/label/").context["facet"]
    assert [value.named.text for value in shown.values] == [f"label {number}" for number in range(20)]
    assert shown.rest == 10
    found = annotator.get("/prompts/facets/label/?label_q=label+29").context["facet"]
    assert [(value.named.text, value.count) for value in found.values] == [("label 29", 1)]


@pytest.mark.parametrize("bound", ["0.123456789", "0.30000000000000004", "1e-07", "1"])
def test_a_score_range_stands_in_the_address_with_all_of_its_digits(annotator: Person, bound: str) -> None:
    query = f"q=prompt&response_safety_min={bound}"
    context = annotator.get(f"{PROMPTS}?{query}").context
    assert context["address"] == query
    assert [chip.text for chip in context["chips"]][1:] == [f"Response safety ≥ {bound}"]


def test_what_is_chosen_is_in_a_facet_even_when_nothing_has_it(annotator: Person) -> None:
    make_prompts(1)
    assert facet(annotator, "state", "state=rejected") == {"rejected": (0, True), "active": (1, False)}


def test_prompts_without_a_scenario_can_be_chosen(annotator: Person) -> None:
    bare = make_prompts(1)[0]
    make_prompts(1, bare.corpus, scenario="one")
    assert facet(annotator, "scenario") == {"-": (1, False), "one": (1, False)}
    assert ids(annotator.get(f"{PROMPTS}?scenario=-")) == [bare.pk]


def test_a_scenario_that_is_only_a_dash_is_not_the_empty_one(annotator: Person) -> None:
    bare = make_prompts(1)[0]
    dash, dashes = (make_prompts(1, bare.corpus, scenario=name)[0] for name in ("-", "--"))
    shown = annotator.get("/prompts/facets/scenario/").context["facet"].values
    assert {value.value: value.named.text for value in shown} == {"-": "None given", "--": "-", "---": "--"}
    found = [ids(annotator.get(f"{PROMPTS}?scenario={value}")) for value in ("-", "--", "---")]
    assert found == [[bare.pk], [dash.pk], [dashes.pk]]


def test_the_scores_are_told_with_their_bounds(annotator: Person) -> None:
    prompts, run = make_prompts(3), make_run("perplexity")
    for prompt, value in zip(prompts[:2], (0.25, 0.75), strict=True):
        Score.objects.create(kind="instruction_safety", prompt=prompt, scorer="a", value=value, run=run)
    scored = annotator.get("/prompts/facets/scores/").context["scores"][-1]
    assert (scored.count, scored.least, scored.most) == (2, 0.25, 0.75)


def test_a_facet_that_is_none_is_not_found(annotator: Person) -> None:
    assert annotator.get("/prompts/facets/password/").status_code == 404


@pytest.mark.parametrize("name", ["corpus", "category", "label", "scenario", "scores"])
def test_a_facet_costs_as_many_queries_with_many_values_as_with_few(annotator: Person, name: str) -> None:
    for number in range(2):
        make_label(f"label {number}", make_prompts(1, make_corpus(f"Corpus {number}"), scenario=f"scenario {number}"))
    path = f"/prompts/facets/{name}/"
    annotator.get(path)
    few = query_count(lambda: annotator.get(path))
    for number in range(2, 30):
        make_label(f"label {number}", make_prompts(1, make_corpus(f"Corpus {number}"), scenario=f"scenario {number}"))
    annotator.get(path)
    assert query_count(lambda: annotator.get(path)) == few
    assert few <= 8


def test_hostile_text_is_shown_as_text_in_rows_chips_and_facets(annotator: Person) -> None:
    evil = "<script>alert(1)</script>"
    label = make_label("x", [make_prompt(evil, make_corpus(evil), scenario=evil, attack_type=evil[:40])])
    type(label).objects.update(name=evil)
    answer = annotator.get(PROMPTS, {"q": evil, "scenario": evil, "corpus": Prompt.objects.get().corpus_id})
    assert "<script>alert" not in answer.text and "&lt;script&gt;alert" in answer.text
    for name in ("corpus", "label", "scenario", "attack"):
        assert "<script>alert" not in annotator.get(f"/prompts/facets/{name}/").text


# --- one prompt ---


def test_a_prompt_names_its_parents_its_children_and_what_repeats_it(annotator: Person) -> None:
    parent = make_prompt("parent")
    child = make_prompt("child", parent.corpus, origin="generated", parents=[parent.pk])
    twin = make_prompt("again", parent.corpus, state="duplicate", twin=parent, similarity=0.9)
    kin = annotator.get(f"/prompts/{parent.pk}/").context["family"]
    assert [[one.pk for one in found.prompts] for found in kin] == [[child.pk], [twin.pk]]
    assert f'href="/prompts/{parent.pk}/"' in annotator.get(f"/prompts/{child.pk}/").text


def test_a_prompt_names_the_runs_that_worked_on_it_and_what_was_written_down_about_them(annotator: Person) -> None:
    prompt = make_prompt(run=make_run("import"))
    labelling, scoring = make_run("label"), make_run("perplexity")
    make_label("one", [prompt], labelling)
    Score.objects.create(kind="perplexity", prompt=prompt, scorer="a", value=2.0, run=scoring)
    audit(None, "run.start", str(labelling))
    audit(None, "corpus.import", prompt.corpus.name)
    audit(None, "run.start", "another run")
    context = annotator.get(f"/prompts/{prompt.pk}/").context
    assert [step["name"] for step in context["lineage"]] == ["Imported", "Labelled", "Scored"]
    assert len(context["events"]) == 2


def test_a_withdrawn_prompt_says_so_even_when_the_catalogue_does_not_know_yet(annotator: Person) -> None:
    prompt = make_prompt("a text")
    annotator.get(PROMPTS)
    Prompt.objects.filter(pk=prompt.pk).update(state=Prompt.State.WITHDRAWN, text="")
    row = annotator.get(PROMPTS).context["prompts"][0]
    assert (row.state, row.text) == ("Withdrawn", "")


# --- without a catalogue, and without JavaScript ---


@pytest.fixture
def no_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(loading, "load", broken)


@pytest.mark.usefixtures("no_catalogue")
def test_where_no_catalogue_can_be_made_the_page_answers_from_the_database(annotator: Person) -> None:
    corpus = make_prompts(60, make_corpus("First"))[0].corpus_id
    make_prompts(1, make_corpus("Second"))
    answer = annotator.get(f"{PROMPTS}?corpus={corpus}&page=2")
    assert (len(ids(answer)), answer.context["pager"].total, answer.context["view"].all) == (10, 60, 61)
    assert "60 of 61 · counted in the database" in answer.text
    assert facet(annotator, "corpus", "state=active")[str(corpus)] == (60, False)
    for name in (*FACETS, "scores"):
        assert annotator.get(f"/prompts/facets/{name}/").status_code == 200


@pytest.mark.usefixtures("no_catalogue")
def test_where_no_catalogue_can_be_made_a_prompt_still_names_its_children(annotator: Person) -> None:
    parent = make_prompt("parent")
    child = make_prompt("child", parent.corpus, origin="generated", parents=[parent.pk])
    kin = annotator.get(f"/prompts/{parent.pk}/").context["family"]
    assert [[one.pk for one in found.prompts] for found in kin] == [[child.pk]]


@pytest.mark.usefixtures("no_catalogue")
def test_where_no_catalogue_can_be_made_a_page_is_copied_without_what_is_barred(annotator: Person) -> None:
    kept = make_prompt("kept", make_corpus("Free"))
    make_prompt("closed", make_corpus("Closed", exportable=False))
    copy = annotator.post("/prompts/page/json/").json()
    assert ([row["id"] for row in copy["prompts"]], copy["left_out"]) == ([kept.pk], 1)


@pytest.mark.usefixtures("no_catalogue")
def test_where_no_catalogue_can_be_made_an_export_says_so_and_leads_back(lead: Person) -> None:
    make_prompts(1)
    answer = lead.post("/prompts/file/jsonl/?q=prompt", follow=True)
    assert answer.redirect_chain == [("/prompts/?q=prompt", 302)]
    assert "could not be made" in answer.text


@pytest.mark.usefixtures("no_catalogue")
def test_without_a_catalogue_the_list_costs_as_many_queries_with_many_rows_as_with_few(annotator: Person) -> None:
    prompts = make_prompts(3)
    make_label("one", prompts)
    annotator.get(PROMPTS)
    few = query_count(lambda: annotator.get(PROMPTS))
    make_label("two", make_prompts(60, prompts[0].corpus))
    assert query_count(lambda: annotator.get(PROMPTS)) == few


def test_a_facet_that_the_address_opens_is_counted_in_the_page(annotator: Person) -> None:
    corpus = make_prompts(2, make_corpus("First"))[0].corpus_id
    bare = annotator.get(f"{PROMPTS}?page=1")
    closed = {one.name: one for one in bare.context["facets"]}["corpus"]
    assert f'<noscript><p><a href="?{closed.counted_at}">' in bare.text
    opened = {one.name: one for one in annotator.get(f"{PROMPTS}?{closed.counted_at}").context["facets"]}["corpus"]
    assert [(value.value, value.count) for value in opened.values] == [(str(corpus), 2)]


def test_what_is_opened_and_looked_for_stays_when_the_form_is_sent_without_javascript(annotator: Person) -> None:
    make_label("alpha", make_prompts(2))
    make_label("beta", make_prompts(1, make_corpus("Other")))
    answer = annotator.get(f"{PROMPTS}?open=label&open=scores&label_q=alp")
    assert '<input type="hidden" name="open" value="label">' in answer.text
    assert '<input type="hidden" name="open" value="scores">' in answer.text
    assert 'name="label_q" maxlength="60" value="alp"' in answer.text
    labels = {one.name: one for one in answer.context["facets"]}["label"]
    assert [value.named.text for value in labels.values] == ["alpha"]
    assert not answer.context["narrowed"] and answer.context["chips"] == []


@pytest.mark.parametrize(
    ("shown", "asked", "address"),
    [
        ("?q=prompt&page=2", "q=prompt&label_q=alp", "/prompts/?q=prompt&label_q=alp&page=2"),
        ("?label_q=alp", "label_q=", "/prompts/"),
        ("?q=prompt", "q=other&label_q=alp", None),
    ],
)
def test_what_is_looked_for_among_the_labels_goes_into_the_address(
    annotator: Person, shown: str, asked: str, address: str | None
) -> None:
    at = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/prompts/{shown}"}
    answer = annotator.get(f"/prompts/facets/label/?{asked}", headers=at)
    assert answer.headers.get("HX-Replace-Url") == address


def test_an_address_that_is_none_is_not_answered_with_another(annotator: Person) -> None:
    at = {"HX-Request": "true", "HX-Current-URL": "http://["}
    answer = annotator.get("/prompts/facets/label/?label_q=x", headers=at)
    assert answer.status_code == 200 and "HX-Replace-Url" not in answer.headers
