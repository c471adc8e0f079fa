"""Uploads on their way: what a kill, a second click or a failed import leaves of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse

from annotation import pieces, uploading
from annotation.models import Prompt, Upload
from madsafe_web.core.models import Run
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.worker import work_on
from tests.factories import Person, make_upload

pytestmark = pytest.mark.django_db
ROWS = json.dumps([{"instruction": f"question {n}", "input": "", "output": "reply"} for n in range(3)]).encode()
URL = reverse("annotation:upload")


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def begin(person: Person, **values: Any) -> dict[str, Any]:
    answer = person.post(reverse("annotation:upload-begin"), {"name": "rows.json", "size": len(ROWS), **values})
    found: dict[str, Any] = answer.json()
    return found


def send(person: Person, begun: dict[str, Any], content: bytes) -> None:
    person.post(begun["piece_url"], {"offset": begun["offset"], "piece": SimpleUploadedFile("piece", content)})


def preview_url(upload: Upload) -> str:
    return reverse("annotation:upload-preview", args=[upload.token])


def ask(person: Person, upload: Upload, do: str = "import") -> Any:
    return person.post(preview_url(upload), {"format": "alpaca", "name": "Sent", "do": do})


def kept(var: Path) -> list[Path]:
    return [path for path in (var / "uploads").rglob("*") if path.is_file()]


def head(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("blob", content)


@pytest.mark.parametrize(("modified", "first"), [(2, b"[1"), (1, b"[2")])
def test_another_file_of_the_same_name_and_size_begins_anew(modified: int, first: bytes, lead: Person) -> None:
    send(lead, begin(lead, modified=1, head=head(b"[1")), b"[1")
    assert begin(lead, modified=modified, head=head(first))["offset"] == 0
    assert begin(lead, modified=1, head=head(b"[1"))["offset"] == 2


@pytest.mark.parametrize("again", [True, False])
def test_a_file_whose_last_piece_came_just_before_a_kill_is_whole(again: bool, lead: Person) -> None:
    begun = begin(lead)
    send(lead, begun, ROWS)
    Upload.objects.update(path="")  # as if killed before that was written down
    if again:
        assert begin(lead)["offset"] == len(ROWS)
        assert Upload.objects.get().path
    assert lead.get(begun["next_url"]).context["good"] == 3


def test_a_second_click_on_import_leads_back_and_imports_nothing(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = make_upload(lead.user, ROWS)
    second: list[Any] = []
    digest = uploading.sha256_file

    def meanwhile(path: Path) -> str:
        found = digest(path)
        if not second:
            second.append(None)
            second[0] = ask(lead, upload)
        return found

    monkeypatch.setattr(uploading, "sha256_file", meanwhile)
    first = ask(lead, upload)
    run = Run.objects.get()
    assert (second[0].url, first.url) == (f"/runs/{run.pk}/", URL)
    work_on(run.pk)
    assert Prompt.objects.count() == 3


@pytest.mark.parametrize("do", ["show", "import"])
def test_a_file_that_goes_away_meanwhile_leads_back(do: str, lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = make_upload(lead.user, ROWS)
    monkeypatch.setattr("annotation.views.uploads.path_of", lambda row: Path(__file__))
    pieces.path_of(upload).unlink()
    assert ask(lead, upload, do).url == lead.get(preview_url(upload)).url == URL


def test_an_import_that_cannot_start_leaves_the_upload_as_it_was(
    lead: Person, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = make_upload(lead.user, ROWS)
    before = kept(var)

    def refuse(**values: Any) -> Run:
        raise ConfigError("A parameter is wrong.")

    with monkeypatch.context() as broken:
        broken.setattr("annotation.previewing.import_start", refuse)
        answer = ask(lead, upload)
    assert answer.status_code == 422 and "A parameter is wrong." in answer.text
    assert kept(var) == before
    assert ask(lead, upload).url == f"/runs/{Run.objects.get().pk}/"


def test_no_file_is_hashed_inside_a_transaction(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    depths: list[int] = []
    digest = uploading.sha256_file

    def noted(path: Path) -> str:
        depths.append(len(connection.savepoint_ids))
        return digest(path)

    monkeypatch.setattr(uploading, "sha256_file", noted)
    upload = make_upload(lead.user, ROWS)
    outside = len(connection.savepoint_ids)
    ask(lead, upload)
    assert depths == [outside]


def test_a_file_is_kept_on_a_disk_without_second_names_too(
    lead: Person, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(pieces.os, "link", refuse)
    ask(lead, make_upload(lead.user, ROWS))
    assert [path.read_bytes() for path in kept(var)] == [ROWS]


def test_a_disk_too_full_for_a_folder_is_said_too(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = begin(lead)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    answer = lead.post(begun["piece_url"], {"offset": 0, "piece": SimpleUploadedFile("piece", b"0123")})
    assert answer.status_code == 507 and "disk is full" in answer.json()["error"]
