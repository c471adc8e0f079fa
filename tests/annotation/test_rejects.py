"""Rejected rows after a file came in again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from annotation.models import Corpus, RejectedImport
from annotation.pages.corpora import corpora_shown
from annotation.rejects import standing_rejects
from madsafe_web.core.models import Chunk, Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
from tests.factories import Person, make_corpus, make_run

pytestmark = pytest.mark.django_db


def imported(path: Path, **values: Any) -> Run:
    declared = {"path": str(path), "format": "alpaca", "name": "A corpus", **values}
    run = service.run_create(stage_name="import", values={"files": [declared]}, user=None)
    service.run_start(run)
    run = work_on(run.pk)
    assert run.state == Run.State.DONE, run.error
    return run


def alpaca(path: Path, *instructions: object) -> Path:
    rows = ({"instruction": text, "input": "", "output": "a reply"} for text in instructions)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def noted(corpus: Corpus, sha256: str, state: str = Chunk.State.DONE) -> RejectedImport:
    """A row that an import of the file with that hash rejected."""
    run = make_run("import", params={"files": [{"path": "file.json", "name": ""}]})
    Chunk.objects.create(run=run, seq=0, subjects=["0"], state=state, cursor={"corpus": corpus.pk, "sha256": sha256})
    return RejectedImport.objects.create(run=run, corpus=corpus, row=1, reason="is empty")


def test_the_same_file_again_does_not_double_its_rejected_rows(tmp_path: Path, lead: Person) -> None:
    path = alpaca(tmp_path / "file.jsonl", "one", 2, "")
    imported(path)
    again = imported(path)
    corpus = Corpus.objects.get()
    assert set(standing_rejects(corpus).values_list("run", "row")) == {(again.pk, 2), (again.pk, 3)}
    assert corpora_shown([corpus])[0].rejected == 2
    context = lead.get(f"/corpora/{corpus.pk}/").context
    assert (len(context["rejected"]), context["pager"].total) == (2, 2)
    assert sum(one.count for one in context["reasons"]) == 2
    assert len(b"".join(lead.post(f"/corpora/{corpus.pk}/rejected/")).splitlines()) == 2
    assert len(lead.get(f"/api/v1/corpora/{corpus.pk}/rejected/").json()["results"]) == 2


def test_the_rejected_rows_of_another_file_stay() -> None:
    corpus = make_corpus()
    rows = [noted(corpus, "first"), noted(corpus, "second")]
    assert set(standing_rejects(corpus)) == set(rows)
    assert corpora_shown([corpus])[0].rejected == 2


def test_an_import_that_did_not_end_replaces_no_rejected_rows() -> None:
    corpus = make_corpus()
    row = noted(corpus, "first")
    noted(corpus, "first", Chunk.State.OPEN)
    assert list(standing_rejects(corpus)) == [row]


def test_a_row_of_a_run_without_parts_stands() -> None:
    corpus = make_corpus()
    row = RejectedImport.objects.create(run=make_run("import"), corpus=corpus, row=1, reason="is empty")
    assert list(standing_rejects(corpus)) == [row]
