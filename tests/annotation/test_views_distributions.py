from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotation.models import Corpus, Prompt
from tests.factories import Person, make_corpus, make_label, make_map, make_prompts

pytestmark = pytest.mark.django_db
PAGE = "/distributions/"


@pytest.fixture
def corpus(db: None) -> Corpus:
    """Four prompts in two scenarios, of which the last is no longer in use; two labels, one merged."""
    corpus = make_corpus("Alpha")
    prompts = [*make_prompts(3, corpus, scenario="one"), *make_prompts(1, corpus, scenario="two", state="duplicate")]
    make_map({make_label("fraud", prompts): "CIA", make_label("weather", prompts[:1]): "DROP"}, published=True)
    return corpus


def test_anonymous_people_are_sent_to_the_sign_in(client: Client) -> None:
    assert client.get(PAGE).url.startswith("/accounts/login/")


def test_every_role_may_look(annotator: Person, reviewer: Person, lead: Person, admin: Person, corpus: Corpus) -> None:
    assert [person.get(PAGE).status_code for person in (annotator, reviewer, lead, admin)] == [200] * 4


def test_without_corpora_the_page_says_so(annotator: Person) -> None:
    assert "Nothing to draw yet" in annotator.get(PAGE).text


def test_a_corpus_is_drawn_by_scenario_and_by_label(annotator: Person, corpus: Corpus) -> None:
    rows = {figure.id: figure.table.rows for figure in annotator.get(PAGE).context["figures"]}
    assert rows[f"fig-scenarios-{corpus.pk}"] == (("Alpha", "one", 3), ("Alpha", "two", 1))
    assert rows[f"fig-labels-{corpus.pk}"] == (("fraud", 4), ("weather", 1))


def test_the_coverage_counts_prompts_in_use_by_the_published_map(annotator: Person, corpus: Corpus) -> None:
    rows = {figure.id: figure.table.rows for figure in annotator.get(PAGE).context["figures"]}
    assert len(rows["fig-categories"]) == 14
    assert rows["fig-categories"][0] == ("CIA Crimes and illegal activities", 3)


def test_a_change_of_a_state_is_seen_at_once(annotator: Person, corpus: Corpus) -> None:
    annotator.get(PAGE)
    Prompt.objects.filter(state="duplicate").update(state="active")
    rows = {figure.id: figure.table.rows for figure in annotator.get(PAGE).context["figures"]}
    assert rows["fig-categories"][0][1] == 4


def test_benchmarks_are_not_drawn(annotator: Person) -> None:
    make_prompts(2, make_corpus("Held out", Corpus.Role.BENCHMARK), scenario="one")
    assert annotator.get(PAGE).context["figures"] == []


def test_each_figure_is_a_csv_too(annotator: Person, corpus: Corpus) -> None:
    response = annotator.get(PAGE, {"csv": f"fig-labels-{corpus.pk}"})
    assert response["Content-Type"].startswith("text/csv")
    assert response.text.splitlines() == ["Label,Prompts", "fraud,4", "weather,1"]
    assert annotator.get(PAGE, {"csv": "fig-none"}).status_code == 404


def test_the_number_of_queries_does_not_depend_on_the_number_of_corpora(annotator: Person, corpus: Corpus) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            annotator.get(PAGE)
        return len(captured)

    few = queries()
    for number in range(5):
        make_label("fraud", make_prompts(2, make_corpus(f"Corpus {number}"), scenario="one"))
    assert queries() == few
    assert few <= 15
