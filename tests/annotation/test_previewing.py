"""What the preview of a file says besides its rows."""

from __future__ import annotations

import errno
import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms import FileField
from django.urls import reverse

from annotation import pieces, previewing, uploading
from annotation.models import Upload
from madsafe_web.core.models import Run
from tests.factories import Person, make_corpus, make_upload

pytestmark = pytest.mark.django_db
ROWS = json.dumps([{"instruction": f"question {n}", "input": "", "output": "reply"} for n in range(3)]).encode()
EXAM = ",Question,A,B,C,D,Answer\n" + "".join(f"{n},one {n},a,b,c,d,A\n" for n in range(3))


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def url(upload: Upload) -> str:
    return reverse("annotation:upload-preview", args=[upload.token])


def show(person: Person, upload: Upload, **values: str) -> Any:
    return person.post(url(upload), {"name": "Sent", "do": "show", **values})


def full(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_first_preview_says_whether_the_rows_may_leave(lead: Person) -> None:
    exam = lead.get(url(make_upload(lead.user, EXAM.encode(), "exam.csv")))
    assert (exam.context["licence"], exam.context["may_leave"]) == ("CC BY-NC-SA 4.0", False)
    assert "Stays out of exports" in exam.text
    rows = lead.get(url(make_upload(lead.user, ROWS)))
    assert "May leave in exports: no licence is stated." in rows.text


def test_a_licence_goes_with_the_format_that_stated_it(lead: Person) -> None:
    upload = make_upload(lead.user, EXAM.encode(), "exam.csv")
    kept = {"format": "generic", "format_shown": "cmmlu"}
    other = show(lead, upload, **kept, licence="CC BY-NC-SA 4.0")
    assert (other.context["form"]["licence"].value(), other.context["may_leave"]) == ("", True)
    mine = show(lead, upload, **kept, licence="research only")
    assert (mine.context["form"]["licence"].value(), mine.context["may_leave"]) == ("research only", False)
    back = show(lead, upload, format="cmmlu", format_shown="generic", licence="")
    assert back.context["form"]["licence"].value() == "CC BY-NC-SA 4.0"


def test_another_format_is_shown_when_it_is_chosen(lead: Person) -> None:
    form = lead.get(url(make_upload(lead.user, ROWS))).context["form"]
    said = form.fields["format"].widget.attrs
    assert (said["hx-trigger"], said["hx-target"], said["hx-select"]) == ("change", "#preview", "#preview")
    assert json.loads(said["hx-vals"]) == {"do": "show"}


def test_a_change_of_the_licence_sends_no_chosen_file(lead: Person) -> None:
    form = lead.get(url(make_upload(lead.user, ROWS))).context["form"]
    files = ",".join(name for name, field in form.fields.items() if isinstance(field, FileField))
    assert form.fields["licence"].widget.attrs["hx-params"] == f"not {files}" == "not answers,dev"


def test_files_that_are_not_read_are_named(lead: Person) -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("rows.json", ROWS)
        archive.writestr("notes.txt", "words")
    text = lead.get(url(make_upload(lead.user, packed.getvalue(), "rows.zip"))).text
    assert "notes.txt was passed over" in text


@pytest.mark.parametrize(("module", "name"), [(previewing, "detect"), (previewing, "path_of")])
def test_a_full_disk_on_the_way_to_the_preview_is_said(
    module: Any, name: str, lead: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = make_upload(lead.user, ROWS)
    monkeypatch.setattr(module, name, full)
    answer = lead.get(url(upload))
    assert answer.status_code == 507 and "disk is full" in answer.text
    assert Upload.objects.filter(pk=upload.pk).exists()


def test_a_full_disk_on_the_way_to_the_import_is_said_and_keeps_the_file(
    lead: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = make_upload(lead.user, ROWS)
    monkeypatch.setattr(pieces, "hashed", full)
    answer = lead.post(url(upload), {"format": "alpaca", "name": "Sent", "do": "import"})
    assert answer.status_code == 507 and "disk is full" in answer.text
    assert Upload.objects.filter(pk=upload.pk).exists() and not Run.objects.exists()


def test_a_full_disk_says_so_beside_corrected_rows(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = make_corpus(format="alpaca")
    monkeypatch.setattr(uploading, "hashed", full)
    file = SimpleUploadedFile("fixed.jsonl", b'{"instruction": "one", "output": "a"}\n')
    answer = lead.post(reverse("annotation:corpus-corrected", args=[corpus.pk]), {"file": file})
    assert answer.status_code == 507 and "disk is full" in answer.text
    assert not Run.objects.exists()


def test_another_error_of_the_disk_is_none_of_the_persons(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    upload = make_upload(lead.user, ROWS)
    monkeypatch.setattr(previewing, "detect", broken)
    with pytest.raises(OSError, match="Input/output"):
        lead.get(url(upload))
