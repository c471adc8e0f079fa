"""The import of a file of labels over the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from annotation.models import IntentLabel, PromptIntent
from madsafe_web.core.models import Run
from madsafe_web.core.runs import chain
from tests.api.calls import Program, fields, problem, rows, verbs
from tests.factories import make_corpus, make_prompt

ROWS = b'{"traceid": "a", "label": "x"}\n{"traceid": "b", "label": "y"}\n{"traceid": "a"}\n'


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def upload(program: Program, content: bytes = ROWS, **values: Any) -> Any:
    file = SimpleUploadedFile("some labels.jsonl", content)
    return program.post("/api/v1/labels/import/", {"file": file, **values})


def test_a_file_is_kept_and_its_import_queued(lead_api: Program, tmp_path: Path) -> None:
    answer = upload(lead_api, b'{"label": "x"}\n')
    assert answer.status_code == 201, answer.content
    run = Run.objects.get(pk=answer.json()["id"])
    assert (run.stage, run.state, run.params["corpus"]) == ("import_labels", "queued", None)
    assert Path(run.params["path"]).name == "some_labels.jsonl"
    assert verbs() == ["run.create", "run.start"]


@pytest.mark.django_db(transaction=True)
def test_prompts_of_a_corpus_get_their_labels(lead_api: Program) -> None:
    corpus = make_corpus()
    make_prompt("a prompt", corpus, source_id="a")
    run = Run.objects.get(pk=upload(lead_api, corpus=corpus.pk).json()["id"])
    chain.work_to_end(run, lambda run: None)
    assert list(PromptIntent.objects.values_list("label__name", flat=True)) == ["x"]
    counts = lead_api.ask(f"runs/{run.pk}/").json()["counts"]
    assert (counts["kept"], counts["rejected"]) == (1, 2)
    failed = rows(lead_api.ask(f"runs/{run.pk}/failed/"))
    assert [(one["file"], one["subject"], one["field"], one["raw"]) for one in failed] == [
        ("some_labels.jsonl", "3", "label", '{"traceid": "a"}'),
        ("some_labels.jsonl", "2", "traceid", '{"traceid": "b", "label": "y"}'),
    ]


def test_the_same_file_is_the_same_run(lead_api: Program) -> None:
    first, second = upload(lead_api), upload(lead_api)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_a_corpus_that_is_not_there_is_named(lead_api: Program) -> None:
    assert fields(upload(lead_api, corpus=99)) == {"corpus"}
    assert fields(lead_api.post("/api/v1/labels/import/", {})) == {"file"}
    assert not Run.objects.exists() and not IntentLabel.objects.exists()


def test_only_who_may_run_imports(annotator_api: Program) -> None:
    problem(upload(annotator_api), 403)
