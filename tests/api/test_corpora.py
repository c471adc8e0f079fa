"""Corpora and prompts over the API, and the import of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from annotation.models import RejectedImport
from madsafe_web.core.models import Run
from pipeline.models import Score
from tests.api.calls import Program, fields, problem, rows, verbs
from tests.factories import make_corpus, make_label, make_map, make_prompt, make_prompts, make_response, make_run

GOOD = {"format": "alpaca", "name": "A corpus"}


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def upload(program: Program, **values: Any) -> Any:
    return program.post("/api/v1/corpora/", {"file": SimpleUploadedFile("a b.json", b"[]"), **GOOD, **values})


def test_a_file_is_kept_and_its_import_queued(lead_api: Program, tmp_path: Path) -> None:
    response = upload(lead_api, role="general", licence="CC0")
    assert response.status_code == 201, response.content
    run = Run.objects.get(pk=response.json()["id"])
    (file,) = run.params["files"]
    assert (run.state, file["name"], file["role"], file["licence"]) == ("queued", "A corpus", "general", "CC0")
    assert (tmp_path / file["path"]).read_bytes() == b"[]"
    assert verbs() == ["run.create", "corpus.import"]


def test_columns_of_ones_own_are_named_by_a_mapping(lead_api: Program) -> None:
    values = {"format": "generic", "mapping": '{"prompt": "ask"}', "split": "train"}
    run = Run.objects.get(pk=upload(lead_api, **values).json()["id"])
    (file,) = run.params["files"]
    assert (file["mapping"], file["split"]) == ({"prompt": "ask"}, "train")


@pytest.mark.parametrize("mapping", ["{", '{"promt": "ask"}', "[]"])
def test_a_mapping_that_cannot_be_used_is_refused(lead_api: Program, mapping: str) -> None:
    assert fields(upload(lead_api, format="generic", mapping=mapping)) == {"mapping"}
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [({"format": "nosuch"}, "format"), ({"name": "Taken"}, "name"), ({"role": "x"}, "role"), ({"path": "x"}, "path")],
)
def test_a_field_that_cannot_be_used_is_named(lead_api: Program, values: dict[str, str], field: str) -> None:
    make_corpus("Taken")
    assert fields(upload(lead_api, **values)) == {field}
    assert not Run.objects.exists()


def test_a_file_must_be_sent(lead_api: Program) -> None:
    assert fields(lead_api.post("/api/v1/corpora/", GOOD)) == {"file"}
    problem(lead_api.send("corpora/", GOOD), 415)


def test_only_who_may_run_imports(annotator_api: Program) -> None:
    problem(upload(annotator_api), 403)


def test_a_corpus_tells_its_counts(annotator_api: Program) -> None:
    corpus = make_corpus("One", licence="CC0")
    make_response(make_prompts(3, corpus, scenario="a scenario")[0])
    RejectedImport.objects.create(run=make_run("import"), corpus=corpus, row=7, field="text", reason="empty", raw="{}")
    shown = annotator_api.ask(f"corpora/{corpus.pk}/").json()
    assert (shown["prompts"], shown["responses"], shown["rejected"], shown["imported"]) == (3, 1, 1, "done")
    assert shown["scenarios"] == [{"name": "a scenario", "count": 3}]
    assert (shown["without_response"], shown["languages"]) == (2, [{"name": "en", "count": 3}])
    assert [one for one in shown["lengths"] if one["count"]] == [{"most": 10, "count": 3}]
    assert shown["rejected_rows"] == [{"file": "", "row": 7, "field": "text", "reason": "empty"}]
    (row,) = rows(annotator_api.ask(f"corpora/{corpus.pk}/rejected/"))
    assert (row["row"], row["raw"]) == (7, "{}")
    (line,) = rows(annotator_api.ask("corpora/", role="alignment"))
    assert (line["name"], line["prompts"], line["licence"]) == ("One", 3, "CC0")


def test_prompts_are_filtered_as_on_the_page(annotator_api: Program) -> None:
    first, second = make_corpus("One"), make_corpus("Two")
    wanted = make_prompt("some words", first)
    other = make_prompt("other words", second, state="duplicate")
    label = make_label("a label", [wanted])
    make_map({label: "OFF"}, published=True)
    for query, found in (
        ({"corpus": first.pk}, [wanted]),
        ({"state": "duplicate"}, [other]),
        ({"category": "OFF"}, [wanted]),
        ({"q": "words"}, [other, wanted]),
        ({"q": "words", "corpus": second.pk, "category": "OFF"}, []),
    ):
        assert [row["id"] for row in rows(annotator_api.ask("prompts/", **query))] == [one.pk for one in found]


def test_a_prompt_tells_its_labels_scores_responses_and_lineage(annotator_api: Program) -> None:
    parent = make_prompt("a parent")
    prompt = make_prompt("a child", parent.corpus, parents=[parent.pk], twin=parent, similarity=0.5)
    reply = make_response(prompt)
    make_map({make_label("a label", [prompt]): "UB"}, published=True)
    scores = {"perplexity": (0.0, None), "response_safety": (0.9, reply), "instruction_safety": (0.2, None)}
    run = make_run("perplexity")
    for kind, (value, response) in scores.items():
        Score.objects.create(kind=kind, prompt=prompt, response=response, scorer="test", value=value, run=run)
    shown = annotator_api.ask(f"prompts/{prompt.pk}/").json()
    assert shown["scores"] == {"perplexity": 1.0, "response_safety": 0.9, "instruction_safety": 0.2}
    assert (shown["categories"], shown["labels"][0]["target"]) == (["UB"], "UB")
    assert (shown["parents"], shown["twin"], shown["similarity"]) == ([parent.pk], parent.pk, 0.5)
    assert [(one["id"], one["text"], one["safety"]) for one in shown["responses"]] == [(reply.pk, "a reply", 0.9)]


@pytest.mark.parametrize(("path", "queries"), [("corpora/", 9), ("prompts/", 9)])
def test_a_list_costs_the_same_for_many(
    annotator_api: Program, django_assert_num_queries: Any, path: str, queries: int
) -> None:
    prompts = [prompt for number in range(4) for prompt in make_prompts(2, make_corpus(f"Corpus {number}"))]
    make_map({make_label("a label", prompts): "OFF"}, published=True)
    annotator_api.ask(path)
    with django_assert_num_queries(queries):
        assert rows(annotator_api.ask(path))


def test_the_categories_are_fourteen(annotator_api: Program) -> None:
    assert len(rows(annotator_api.ask("categories/"))) == 14
