from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotation.models import Corpus, Prompt
from madsafe_web.core.models import AuditEvent, Run
from madsafe_web.core.runs.worker import work_on
from tests.factories import Person, make_corpus

pytestmark = pytest.mark.django_db
ROWS = [{"instruction": f"question {n}", "input": "", "output": "reply"} for n in range(3)]


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def send(person: Person, file_name: str = "rows.json", **values: Any) -> Any:
    file = SimpleUploadedFile(file_name, json.dumps(ROWS).encode())
    return person.post("/corpora/", {"file": file, "format": "alpaca", "name": "Sent", **values})


def test_only_who_may_run_sees_the_form(lead: Person, annotator: Person) -> None:
    assert lead.get("/corpora/").context["upload_form"] is not None
    assert annotator.get("/corpora/").context["upload_form"] is None


def test_only_who_may_run_imports(annotator: Person, reviewer: Person, admin: Person) -> None:
    assert [send(person).status_code for person in (annotator, reviewer, admin)] == [403] * 3
    assert not Run.objects.exists()


def test_a_file_becomes_a_queued_import(lead: Person) -> None:
    response = send(lead)
    run = Run.objects.get()
    assert response.url == f"/runs/{run.pk}/"
    assert (run.stage, run.state, run.actor) == ("import", Run.State.QUEUED, lead.user)
    assert AuditEvent.objects.get(verb="corpus.import").subject == "Sent"


def test_the_import_brings_the_rows_of_the_file(lead: Person) -> None:
    send(lead)
    work_on(Run.objects.get().pk)
    corpus = Corpus.objects.get()
    assert (corpus.name, corpus.file_name, corpus.role) == ("Sent", "rows.json", "general")
    assert Prompt.objects.filter(corpus=corpus).count() == 3


def test_a_name_cannot_lead_out_of_the_folder(lead: Person, var: Path) -> None:
    send(lead, "..%2f../.rows of mine.json")
    path = Path(Run.objects.get().params["files"][0]["path"])
    assert path.is_file() and path.is_relative_to(var / "uploads")
    assert list((var / "uploads").glob("*.upload")) == []


@pytest.mark.parametrize("wrong", [{"format": "none"}, {"name": ""}, {"name": "Taken"}, {"role": "x"}, {"file": ""}])
def test_a_form_that_is_wrong_comes_back_and_imports_nothing(lead: Person, wrong: dict[str, str]) -> None:
    make_corpus("Taken")
    response = send(lead, **wrong)
    assert response.status_code == 422
    assert "field-error" in response.text
    assert not Run.objects.exists()


# --- limits ---


def kept(var: Path) -> list[Path]:
    return [path for path in (var / "uploads").rglob("*") if path.is_file()] if (var / "uploads").exists() else []


def test_more_bytes_than_the_cap_end_the_request_whatever_its_header_says(
    lead: Person, settings: Any, var: Path
) -> None:
    settings.UPLOAD_MAX_BYTES = 50
    assert send(lead).status_code == 400
    assert kept(var) == [] and not Run.objects.exists()


def test_the_cap_is_that_of_all_files_together(lead: Person, settings: Any, var: Path) -> None:
    settings.UPLOAD_MAX_BYTES = len(json.dumps(ROWS).encode()) + 5
    assert send(lead, answers=SimpleUploadedFile("answers.json", b"0123456789")).status_code == 400
    assert kept(var) == []


def test_a_file_of_the_size_of_the_cap_is_taken(lead: Person, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = len(json.dumps(ROWS).encode())
    assert send(lead).status_code == 302


@pytest.mark.parametrize("path", ["/accounts/login/", "/corpora/", "/set-theme/"])
def test_a_file_of_somebody_who_imports_nothing_is_not_even_counted(
    path: str, annotator: Person, settings: Any
) -> None:
    settings.UPLOAD_MAX_BYTES = 5
    for person in (Client(), annotator):
        assert person.post(path, {"file": SimpleUploadedFile("rows.json", b"0123456789")}).status_code != 400


def test_a_file_sent_to_the_page_about_the_api_is_not_counted_before_the_sign_in(settings: Any, db: None) -> None:
    settings.UPLOAD_MAX_BYTES = 5
    stranger = Client(enforce_csrf_checks=True)
    stranger.cookies["csrftoken"] = "a" * 32
    file = SimpleUploadedFile("rows.json", b"0123456789")
    assert stranger.post("/api/v1/docs/", {"csrfmiddlewaretoken": "b" * 32, "file": file}).status_code == 403


def test_many_files_in_one_request_are_refused(lead: Person, var: Path) -> None:
    files = {f"file{number}": SimpleUploadedFile("rows.json", b"[]") for number in range(5)}
    assert lead.post("/corpora/", files).status_code == 400
    assert kept(var) == []


@pytest.mark.parametrize("member", ["../rows.json", "/rows.json"])
def test_an_archive_with_an_unsafe_name_is_refused_by_the_run(lead: Person, member: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, json.dumps(ROWS))
    file = SimpleUploadedFile("rows.zip", buffer.getvalue())
    lead.post("/corpora/", {"file": file, "format": "alpaca", "name": "Sent"})
    run = work_on(Run.objects.get().pk)
    assert run.state == Run.State.FAILED and "unsafe file name" in run.error
    assert not Prompt.objects.exists()


@pytest.mark.parametrize("stage", ["import", "train"])
def test_no_page_takes_the_path_of_a_file_on_the_server(lead: Person, stage: str) -> None:
    lead.post("/runs/start/", {"stage": stage, "path": "/etc/hostname", "files": '[{"path": "/etc/hostname"}]'})
    lead.post("/corpora/", {"path": "/etc/hostname", "file": "/etc/hostname", "format": "alpaca", "name": "Sent"})
    assert not Run.objects.exists()
