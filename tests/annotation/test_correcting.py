"""Rejected rows go out, are corrected and come in again, whatever their format."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from annotation.models import Corpus, Prompt, RejectedImport
from annotation.rejects import standing_rejects
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
from tests.annotation.test_importers_contract import IMPORTERS, made, rows_of
from tests.factories import Person

pytestmark = pytest.mark.django_db

MC = {"A": "a", "B": "b", "C": "c", "D": "d"}
EXAM = "id,question,A,B,C,D,answer\n1,one,a,b,c,d,A\n2,two,,b,c,d,B\n"


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"


def imported(path: Path, format_name: str, **values: Any) -> Corpus:
    declared = {"path": str(path), "format": format_name, "name": "A corpus", **values}
    run = service.run_create(stage_name="import", values={"files": [declared]}, user=None)
    service.run_start(run)
    run = work_on(run.pk)
    assert run.state == Run.State.DONE, run.error
    return Corpus.objects.get()


def corrected(lead: Person, corpus: Corpus, *changes: dict[str, Any]) -> list[Prompt]:
    """Download the rejected rows, change them, import them; the prompts that came in by it."""
    answer: Any = lead.post(f"/corpora/{corpus.pk}/rejected/")
    rows = [json.loads(line) for line in b"".join(answer).splitlines()]
    assert len(rows) == len(changes)
    text = "".join(json.dumps({**row, **change}) + "\n" for row, change in zip(rows, changes, strict=True))
    lead.post(f"/corpora/{corpus.pk}/corrected/", {"file": SimpleUploadedFile("fixed.jsonl", text.encode())})
    run = work_on(Run.objects.get(stage="import", state=Run.State.QUEUED).pk)
    assert run.state == Run.State.DONE, run.error
    assert not RejectedImport.objects.filter(run=run).exists()
    assert standing_rejects(corpus).exists() == any("_file" in change for change in changes)
    return list(Prompt.objects.filter(run=run).order_by("id"))


def in_zip(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/") + ".csv", text)
    return path


def test_a_row_of_a_list_under_a_name_comes_in_again(lead: Person, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps({"about": "x", "rows": [{"q": "one"}, {"q": ""}]}))
    corpus = imported(path, "generic", mapping={"prompt": "q", "records": "rows"})
    assert [one.text for one in corrected(lead, corpus, {"q": "two"})] == ["two"]


def test_a_row_that_no_database_stores_keeps_its_scenario(lead: Person, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps({"Insult": [{"prompt": "one", "response": "a"}, {"prompt": "\0", "response": "b"}]}))
    corpus = imported(path, "safety_prompts")
    (one,) = corrected(lead, corpus, {"prompt": "two"})
    first = Prompt.objects.get(text="one")
    assert (one.text, one.scenario, one.source_id) == ("two", first.scenario, "Insult/1")


def test_a_prompt_that_was_a_line_comes_in_again(lead: Person, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"one\ntwo \0\n")
    corpus = imported(path, "generic", mapping={"lines": True})
    assert [one.text for one in corrected(lead, corpus, {"_raw": "two"})] == ["two"]


def test_what_the_download_added_is_not_kept_with_the_row(lead: Person, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("q,other\none,x\n,y\n")
    corpus = imported(path, "generic", mapping={"prompt": "q", "keep": True})
    (row,) = corrected(lead, corpus, {"q": "two"})
    assert (row.text, row.payload, row.source_id) == ("two", {"columns": {"other": "y"}}, "2")


def test_a_row_of_a_table_without_a_header_comes_in_again(lead: Person, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("one,a reply\n,another\n")
    corpus = imported(path, "generic", mapping={"prompt": "1", "responses": ["2"], "header": False})
    (row,) = corrected(lead, corpus, {"1": "two"})
    assert (row.text, row.responses.get().text) == ("two", "another")


def test_a_row_with_too_few_cells_comes_in_again_by_the_names_of_its_columns(lead: Person, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("q,topic\none,x\ntwo\nthree,y,z\n")
    corpus = imported(path, "generic", mapping={"prompt": "q", "scenario": "topic"})
    rows = corrected(lead, corpus, {"topic": "x"}, {})
    assert [(row.text, row.scenario) for row in rows] == [("two", "x"), ("three", "y")]


def test_a_conversation_alone_in_its_file_comes_in_again(lead: Person, tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "one"}, {"from": "gpt", "value": "a reply"}]
    path = tmp_path / "file.json"
    path.write_text(json.dumps([{"conversations": turns}, {"conversations": []}]))
    corpus = imported(path, "sharegpt")
    new = [{"from": "human", "value": "two"}, {"from": "gpt", "value": "a reply"}]
    assert [one.text for one in corrected(lead, corpus, {"conversations": new})] == ["two"]


@pytest.mark.parametrize("format_name", ["ceval", "cmmlu"])
def test_an_exam_question_keeps_its_subject_and_split(lead: Person, tmp_path: Path, format_name: str) -> None:
    exam = EXAM if format_name == "ceval" else EXAM.replace("id,question", ",Question").replace("answer", "Answer")
    path = in_zip(
        tmp_path / "exam.zip", val__law=exam, dev__history=exam.replace("one", "three").replace("two", "four")
    )
    rows = corrected(lead, imported(path, format_name), {"A": "a"}, {"A": "a"})
    found = [(row.text, row.scenario, row.payload["split"], row.source_id) for row in rows]
    assert sorted(found) == [("four", "history", "dev", "history/2"), ("two", "law", "val", "law/2")]


def test_the_one_question_to_correct_keeps_its_subject_and_split(lead: Person, tmp_path: Path) -> None:
    good = EXAM.replace("two,,", "two,a,").replace("one", "three").replace("two", "four")
    path = in_zip(tmp_path / "exam.zip", val__law=EXAM, dev__history=good)
    (row,) = corrected(lead, imported(path, "ceval"), {"A": "a"})
    assert (row.scenario, row.payload["split"], row.source_id) == ("law", "val", "law/2")


def test_a_question_without_a_header_keeps_its_subject_and_number(lead: Person, tmp_path: Path) -> None:
    path = tmp_path / "law_test.csv"
    path.write_text("one,a,b,c,d,A\n\ntwo,,b,c,d,B\nthree,a,b,c,d,C\n")
    (row,) = corrected(lead, imported(path, "mmlu"), {"A": "a"})
    assert (row.scenario, row.payload["split"], row.source_id) == ("law", "test", "law/2")


def test_a_question_with_its_answer_in_another_file_comes_in_again(lead: Person, tmp_path: Path) -> None:
    path, answers = tmp_path / "test.json", tmp_path / "answers.json"
    questions = [
        {"id": number, "category": "Mental Health", "question": "one", "options": ["a", "b"]} for number in (1, 2)
    ]
    path.write_text(json.dumps([questions[0], {**questions[1], "options": ["a"]}]))
    answers.write_text(json.dumps({str(number): {"answer": 1, "category": "Mental Health"} for number in (1, 2)}))
    corpus = imported(path, "safetybench", answers=str(answers))
    (row,) = corrected(lead, corpus, {"options": ["a", "c"]})
    assert (row.payload["options"], row.payload["answer"], row.source_id) == (["a", "c"], 1, "2")


@pytest.mark.parametrize("alone", [True, False])
def test_a_few_shot_example_keeps_its_category_and_split(lead: Person, tmp_path: Path, alone: bool) -> None:
    question = {"id": 1, "category": "Mental Health", "question": "one", "options": ["a", "b"]}
    example = {"question": "three", "options": ["a", "b"], "answer": 1}
    path, dev, answers = (tmp_path / f"{name}.json" for name in ("test", "dev", "answers"))
    path.write_text(json.dumps([question]))
    answers.write_text(json.dumps({"1": {"answer": 1, "category": "Mental Health"}}))
    dev.write_text(json.dumps({"Physical Health": [example, {**example, "question": "two", "options": ["a"]}]}))
    if alone:
        corpus = imported(dev, "safetybench")
    else:
        corpus = imported(path, "safetybench", answers=str(answers), dev=str(dev))
    (row,) = corrected(lead, corpus, {"options": ["a", "c"]})
    assert (row.scenario, row.payload["split"], row.source_id) == ("Physical Health", "dev", "Physical Health/1")


def test_a_row_of_a_table_whose_quote_did_not_close_comes_in_again(lead: Person, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text('q,topic\none,x\ntwo,"y\nthree,z\n')
    corpus = imported(path, "generic", mapping={"prompt": "q", "scenario": "topic"})
    assert list(Prompt.objects.values_list("text", flat=True).order_by("id")) == ["one", "three"]
    (row,) = corrected(lead, corpus, {})
    assert (row.text, row.scenario) == ("two", "y")


def test_a_row_of_a_dataset_comes_in_again(lead: Person, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / "train.jsonl").write_text('{"instruction": "one", "output": "a"}\n{"instruction": "", "output": "b"}\n')
    assert [one.text for one in corrected(lead, imported(folder, "hf_dataset"), {"instruction": "two"})] == ["two"]


def test_a_name_that_leads_out_of_the_archive_is_made_harmless(lead: Person, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text('q\none\n""\n')
    corpus = imported(path, "generic", mapping={"prompt": "q"})
    assert [one.text for one in corrected(lead, corpus, {"q": "two", "_file": "../../.x"})] == ["two"]


@pytest.mark.parametrize("importer", sorted(set(IMPORTERS) - {"generic"}))
def test_a_row_of_every_format_comes_in_again(lead: Person, tmp_path: Path, importer: str) -> None:
    good, bad, fixed = rows_of(importer, "one", "", "two")
    corpus = imported(made(tmp_path, importer, [good, bad]), importer)
    (row,) = corrected(lead, corpus, fixed)
    assert row.text == "two"
    before = Prompt.objects.get(text="one")
    assert (row.scenario, row.attack_type, row.payload) == (before.scenario, before.attack_type, before.payload)
