from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotation.merge.deciding import labels_decide
from annotation.merge.drafts import map_draft_open
from annotation.merge.states import Decision
from annotation.models import Corpus, IntentLabel, Prompt
from tests.factories import Person, make_corpus, make_label, make_map, make_prompts, make_run

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
    assert len(rows["fig-categories"]) == 14 + 2
    assert rows["fig-categories"][0] == ("CIA Crimes and illegal activities", 3, 100.0)


def test_a_change_of_a_state_is_seen_at_once(annotator: Person, corpus: Corpus) -> None:
    annotator.get(PAGE)
    Prompt.objects.filter(state="duplicate").update(state="active")
    rows = {figure.id: figure.table.rows for figure in annotator.get(PAGE).context["figures"]}
    assert rows["fig-categories"][0][1] == 4


def rows_of(person: Person, name: str, **query: object) -> tuple[tuple[object, ...], ...]:
    """The numbers of a figure."""
    found = {figure.id: figure.chart.table.rows for figure in person.get(PAGE, query).context["figures"]}
    return found[name]


def cells(person: Person, **query: object) -> dict[tuple[str, str], dict[str, object]]:
    """The matrix: corpus and attack type → column → number."""
    figures = {figure.id: figure.chart.table for figure in person.get(PAGE, query).context["figures"]}
    table = figures["fig-coverage"]
    return {(str(row[0]), str(row[1])): dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_the_matrix_counts_each_attack_type_of_a_corpus(annotator: Person) -> None:
    corpus = make_corpus("Alpha")
    plain, attacks = make_prompts(3, corpus), make_prompts(1, corpus, attack_type="role play")
    make_prompts(2, corpus)
    make_map({make_label("fraud", [*plain[:2], *attacks]): "CIA", make_label("rude", plain): "OFF"}, published=True)
    found = cells(annotator)
    assert list(found) == [("Alpha", "all"), ("Alpha", "no attack"), ("Alpha", "role play")]
    assert [found["Alpha", "all"][name] for name in ("Prompts", "CIA", "CIA %", "OFF", "Without a label")] == [
        4,
        3,
        75,
        3,
        2,
    ]
    assert [found["Alpha", "role play"][name] for name in ("Prompts", "CIA", "OFF")] == [1, 1, 0]


def test_a_prompt_is_undecided_while_any_of_its_labels_is(annotator: Person) -> None:
    prompts = make_prompts(4, make_corpus("Alpha"))
    make_label("open", prompts[:1])
    make_map({make_label("fraud", prompts[:3]): "CIA", make_label("weather", prompts): "DROP"}, published=True)
    row = cells(annotator)["Alpha", "all"]
    assert [row[name] for name in ("CIA", "Undecided", "None of them")] == [3, 1, 1]


def test_the_cells_of_no_prompts_are_clear(annotator: Person, corpus: Corpus) -> None:
    matrix = {figure.id: figure for figure in annotator.get(PAGE).context["figures"]}["fig-coverage"]
    shares = dict(zip(matrix.spec["data"][0]["x"], matrix.spec["data"][0]["z"][0], strict=True))
    assert (shares["CIA"], shares["OFF"], shares["Undecided"]) == (100.0, None, None)


def test_the_draft_is_read_where_its_version_is_asked_for(annotator: Person, corpus: Corpus) -> None:
    draft = map_draft_open()
    label = IntentLabel.objects.get(name="fraud")
    seen = {label.pk: draft.entries.get(label=label).revision}
    labels_decide(user=None, seen=seen, decision=Decision("OFF"))
    assert cells(annotator)["Alpha", "all"]["CIA"] == 3
    assert cells(annotator, map=draft.version)["Alpha", "all"]["OFF"] == 3


def test_after_merging_labels_of_one_theme_are_one_and_dropped_ones_are_gone(annotator: Person) -> None:
    corpus = make_corpus("Alpha")
    prompts = make_prompts(4, corpus)
    labels = [make_label("fraud", prompts[:2]), make_label("scam", prompts[1:3]), make_label("rude", prompts[3:])]
    make_map({make_label("weather", prompts): "DROP"})
    seen = {label.pk: label.entries.get().revision for label in labels[:2]}
    labels_decide(user=None, seen=seen, decision=Decision("CIA"), theme="Fraud")
    name = f"fig-labels-{corpus.pk}"
    assert rows_of(annotator, name) == (("weather", 4), ("fraud", 2), ("scam", 2), ("rude", 1))
    assert rows_of(annotator, name, by="theme") == (("Fraud", 3), ("rude", 1))
    assert rows_of(annotator, name, by="category") == (("CIA Crimes and illegal activities", 3),)


def test_two_corpora_stand_side_by_side_with_their_difference(annotator: Person) -> None:
    first, second = (make_prompts(10, make_corpus(name)) for name in ("Alpha", "Beta"))
    make_label("fraud", [*first[:8], *second[:2]])
    make_label("weather", [*first[8:], *second[2:]])
    ids = {"first": first[0].corpus_id, "second": second[0].corpus_id}
    assert rows_of(annotator, "fig-pair", **ids) == (("fraud", 8, 80.0, 2, 20.0), ("weather", 2, 20.0, 8, 80.0))
    (label, value, low, high), _ = rows_of(annotator, "fig-difference", **ids)
    assert (label, value) == ("fraud", 60.0)
    assert float(str(low)) < 60 < float(str(high))
    turned = {"first": ids["second"], "second": ids["first"]}
    assert rows_of(annotator, "fig-difference", **turned)[0][1] == -60.0


def test_only_the_links_of_the_runs_that_the_map_names_are_counted(annotator: Person, corpus: Corpus) -> None:
    make_label("later", list(corpus.prompts.all())[:1], make_run())
    context = annotator.get(PAGE).context
    assert context["runs"] == tuple(context["map"].runs)
    assert rows_of(annotator, f"fig-labels-{corpus.pk}") == (("fraud", 4), ("weather", 1))
    assert dict(rows_of(annotator, f"fig-labels-{corpus.pk}", map=map_draft_open().version))["later"] == 1


def test_the_page_names_its_map_and_links_its_runs(annotator: Person, corpus: Corpus) -> None:
    response = annotator.get(PAGE)
    assert "by map v1 (Published)" in response.text
    assert all(f'<a href="/runs/{run}/">#{run}</a>' in response.text for run in response.context["runs"])


def test_many_corpora_leave_the_page_light(annotator: Person) -> None:
    for number in range(60):
        prompts = make_prompts(2, make_corpus(f"Corpus {number}"), scenario="one", attack_type="role play")
        make_label(f"label {number}", prompts)
    map_draft_open()
    response = annotator.get(PAGE)
    assert len(response.content) < 200_000
    assert len(response.context["figures"]) == 4 + 2 * 4


def test_a_corpus_that_is_chosen_stands_alone(annotator: Person, corpus: Corpus) -> None:
    make_label("fraud", make_prompts(9, make_corpus("Beta"), scenario="one"))
    ids = {figure.id for figure in annotator.get(PAGE, {"corpus": corpus.pk}).context["each"]}
    assert ids == {f"fig-scenarios-{corpus.pk}", f"fig-labels-{corpus.pk}"}


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
    assert few <= 18
