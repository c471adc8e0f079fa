"""A file of labels sent from the page of the map versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from madsafe_web.core.models import Run, User
from tests.factories import Person, make_corpus, make_user, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


@pytest.fixture
def lead() -> Person:
    return sign_in(make_user("lead", User.Role.LEAD))


def send(person: Person, **values: Any) -> Any:
    file = SimpleUploadedFile("some labels.jsonl", b'{"label": "x"}\n')
    return person.post(reverse("annotation:label-import"), {"file": file, **values})


def test_the_import_of_a_sent_file_begins(lead: Person) -> None:
    corpus = make_corpus()
    answer = send(lead, corpus=corpus.pk)
    run = Run.objects.get()
    assert answer.headers["Location"] == reverse("runs:detail", args=[run.pk])
    assert (run.stage, run.state, run.params["corpus"]) == ("import_labels", "queued", corpus.pk)


def test_the_same_file_again_leads_to_its_run(lead: Person) -> None:
    first, second = send(lead), send(lead)
    assert first.headers["Location"] == second.headers["Location"]
    assert Run.objects.count() == 1


def test_a_withdrawn_corpus_is_no_choice(lead: Person) -> None:
    corpus = make_corpus(withdrawn="2026-01-01T00:00:00Z")
    answer = send(lead, corpus=corpus.pk)
    assert (answer.status_code, Run.objects.count()) == (422, 0)
    assert "field-error" in answer.content.decode()


def test_a_full_disk_is_told(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("annotation.views.label_files.keep", full)
    assert send(lead).status_code == 507


def test_who_imports_nothing_sees_no_form() -> None:
    person = sign_in(make_user("annotator"))
    assert "import-labels" not in person.get(reverse("annotation:maps")).content.decode()
    assert send(person).status_code == 403
