"""Rejected rows after a file came in again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from annotation import rejects
from annotation.models import Corpus, RejectedImport
from annotation.pages.corpora import corpora_shown
from annotation.rejects import standing_rejects
from madsafe_web.core.models import AuditEvent, Chunk, Run
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


def corrected(lead: Person, corpus: Corpus, *rows: dict[str, object]) -> Run:
    text = "".join(json.dumps({"input": "", "output": "a reply", **row}) + "\n" for row in rows)
    lead.post(f"/corpora/{corpus.pk}/corrected/", {"file": SimpleUploadedFile("fixed.jsonl", text.encode())})
    run = work_on(Run.objects.get(stage="import", state=Run.State.QUEUED).pk)
    assert run.state == Run.State.DONE, run.error
    return run


@pytest.fixture
def corpus(tmp_path: Path, settings: Any) -> Corpus:
    settings.VAR_DIR = tmp_path / "var"
    imported(alpaca(tmp_path / "file.jsonl", "one", 2, "", "four"))
    return Corpus.objects.get()


def standing(corpus: Corpus) -> list[tuple[int, int]]:
    return list(standing_rejects(corpus).values_list("run", "row").order_by("run", "row"))


def test_a_corrected_row_leaves_the_list_and_its_count(lead: Person, corpus: Corpus) -> None:
    first = Run.objects.get()
    run = corrected(lead, corpus, {"instruction": "two", "_row": 2})
    assert standing(corpus) == [(first.pk, 3)]
    assert corpora_shown([corpus])[0].rejected == 1
    context = lead.get(f"/corpora/{corpus.pk}/").context
    assert (len(context["rejected"]), context["pager"].total, context["corrected"]) == (1, 1, 1)
    event = AuditEvent.objects.get(verb="corpus.rejects.corrected")
    assert event.facts == {"corpus": corpus.pk, "run": run.pk, "rows": 1}


def test_the_same_corrected_rows_again_change_nothing(lead: Person, corpus: Corpus) -> None:
    row: dict[str, object] = {"instruction": "two", "_row": 2}
    run = corrected(lead, corpus, row)
    corrected(lead, corpus, row)
    assert RejectedImport.objects.get(row=2).corrected == run
    assert AuditEvent.objects.filter(verb="corpus.rejects.corrected").count() == 1


def test_a_row_that_is_still_wrong_stands_once(lead: Person, corpus: Corpus) -> None:
    run = corrected(lead, corpus, {"instruction": "two", "_row": 2}, {"instruction": 7, "_row": 3})
    assert standing(corpus) == [(run.pk, 3)]
    last = corrected(lead, corpus, {"instruction": "three", "_row": 3})
    assert (standing(corpus), RejectedImport.objects.get(run=run).corrected) == ([], last)


def test_a_row_that_does_not_say_which_it_was_takes_none_from_the_list(lead: Person, corpus: Corpus) -> None:
    corrected(lead, corpus, {"instruction": "a"}, {"instruction": "b"}, {"instruction": "c"})
    assert [row for _, row in standing(corpus)] == [2, 3]


def test_what_was_corrected_stays_so_when_the_file_comes_again(lead: Person, corpus: Corpus, tmp_path: Path) -> None:
    corrected(lead, corpus, {"instruction": "two", "_row": 2})
    again = imported(tmp_path / "file.jsonl")
    assert standing(corpus) == [(again.pk, 3)]


def test_the_page_and_the_api_read_the_beginning_of_a_long_row(lead: Person, corpus: Corpus) -> None:
    raw = json.dumps({"instruction": None, "output": "x" * 100_000})
    RejectedImport.objects.filter(row=2).update(raw=raw)
    shown = {row.number: row.raw for row in lead.get(f"/corpora/{corpus.pk}/").context["rejected"]}
    assert (len(shown[2]), shown[2][:400]) == (402, raw[:400])
    listed = lead.get(f"/api/v1/corpora/{corpus.pk}/rejected/").json()["results"]
    assert {row["row"]: row["raw"] for row in listed}[2] == raw[:65_536]
    lines = b"".join(lead.post(f"/corpora/{corpus.pk}/rejected/")).splitlines()
    assert json.loads(lines[0])["output"] == "x" * 100_000


def test_long_rows_go_out_in_small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "_MOST_CHARACTERS", 10)
    monkeypatch.setattr(rejects, "_MOST_ROWS", 3)
    sizes = [(1, 50), (2, 4), (3, 6), (4, 1), (5, 1), (6, 1), (7, 1)]
    assert list(rejects._portions(sizes)) == [[1], [2, 3], [4, 5, 6], [7]]
