from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation import pieces
from annotation.models import ColumnMapping, Corpus, Prompt, Upload
from madsafe_web.core.models import AuditEvent, Run, User
from madsafe_web.core.runs.worker import work_on
from tests.factories import Person, make_corpus, make_upload, make_user

pytestmark = pytest.mark.django_db
ROWS = [{"instruction": f"question {n}", "input": "", "output": "reply"} for n in range(3)]
OWN = [{"ask": "first", "said": "one", "about": "some"}, {"ask": "second", "said": "two", "about": "other"}]
URL = reverse("annotation:upload")


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def as_bytes(rows: Any = ROWS) -> bytes:
    return json.dumps(rows).encode()


def part(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("piece", content)


def begin(person: Client, name: str = "rows.json", size: int = 10) -> Any:
    return person.post(reverse("annotation:upload-begin"), {"name": name, "size": size})


def send(person: Client, begun: Any, offset: int, content: bytes) -> Any:
    return person.post(begun.json()["piece_url"], {"offset": offset, "piece": part(content)})


def preview_url(upload: Upload) -> str:
    return reverse("annotation:upload-preview", args=[upload.token])


def ask(person: Person, upload: Upload, do: str = "import", **values: Any) -> Any:
    return person.post(preview_url(upload), {"format": "alpaca", "name": "Sent", "do": do, **values})


def uses(**by_column: str) -> dict[str, list[str]]:
    return {"column": list(by_column), "use": list(by_column.values())}


def kept(var: Path) -> list[Path]:
    return [path for path in (var / "uploads").rglob("*") if path.is_file()] if (var / "uploads").exists() else []


# --- in one request ---


def test_only_who_may_run_sends_files(lead: Person, annotator: Person, reviewer: Person, admin: Person) -> None:
    assert lead.get(URL).status_code == 200
    assert [person.get(URL).status_code for person in (annotator, reviewer, admin)] == [403] * 3
    assert "Import a dataset" in lead.get("/corpora/").text
    assert "Import a dataset" not in annotator.get("/corpora/").text


def test_a_file_in_one_request_is_previewed_and_nothing_is_imported(lead: Person) -> None:
    answer = lead.post(URL, {"file": SimpleUploadedFile("rows.json", as_bytes())})
    upload = Upload.objects.get()
    assert answer.url == preview_url(upload)
    assert lead.get(answer.url).context["good"] == 3
    assert not Corpus.objects.exists() and not Run.objects.exists()


def test_a_form_without_a_file_comes_back(lead: Person) -> None:
    answer = lead.post(URL)
    assert (answer.status_code, answer.context["problem"]) == (422, "Choose a file first.")


def test_more_bytes_than_the_cap_end_the_request_whatever_its_header_says(
    lead: Person, settings: Any, var: Path
) -> None:
    settings.UPLOAD_MAX_BYTES = 50
    assert lead.post(URL, {"file": SimpleUploadedFile("rows.json", as_bytes())}).status_code == 400
    assert kept(var) == [] and not Upload.objects.exists()


def test_a_file_of_the_size_of_the_cap_is_taken(lead: Person, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = len(as_bytes())
    assert lead.post(URL, {"file": SimpleUploadedFile("rows.json", as_bytes())}).status_code == 302


@pytest.mark.parametrize("path", ["/accounts/login/", URL, "/set-theme/"])
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
    assert lead.post(URL, files).status_code == 400
    assert kept(var) == []


def test_a_name_cannot_lead_out_of_the_folder(lead: Person, var: Path) -> None:
    upload = make_upload(lead.user, as_bytes(), "..%2f../.rows of mine.json")
    ask(lead, upload)
    path = Path(Run.objects.get().params["files"][0]["path"])
    assert path.is_file() and path.is_relative_to(var / "uploads")


# --- in pieces ---


def test_pieces_in_order_make_the_file(lead: Person) -> None:
    content = as_bytes()
    begun = begin(lead, size=len(content))
    for offset in range(0, len(content), 50):
        assert send(lead, begun, offset, content[offset : offset + 50]).status_code == 200
    upload = Upload.objects.get()
    assert pieces.path_of(upload).read_bytes() == content
    assert lead.get(begun.json()["next_url"]).context["good"] == 3


@pytest.mark.parametrize("offset", [0, 2, 9])
def test_a_piece_at_another_offset_is_told_the_right_one(offset: int, lead: Person) -> None:
    begun = begin(lead)
    send(lead, begun, 0, b"0123")
    answer = send(lead, begun, offset, b"xx")
    assert (answer.status_code, answer.json()) == (409, {"offset": 4})


def test_the_same_file_goes_on_where_it_was(lead: Person) -> None:
    send(lead, begin(lead), 0, b"0123")
    again = begin(lead)
    assert again.json()["offset"] == 4
    assert Upload.objects.count() == 1


@pytest.mark.parametrize("other", [{"name": "others.json"}, {"size": 11}])
def test_a_file_of_another_name_or_size_begins_anew(other: dict[str, Any], lead: Person) -> None:
    send(lead, begin(lead), 0, b"0123")
    assert begin(lead, **other).json()["offset"] == 0


def test_an_upload_of_somebody_else_is_not_there(lead: Person) -> None:
    theirs = make_upload(make_user("another lead", User.Role.LEAD))
    for name, data in (("piece", {"offset": 0, "piece": part(b"x")}), ("preview", {}), ("preview", {"do": "remove"})):
        assert lead.post(reverse(f"annotation:upload-{name}", args=[theirs.token]), data).status_code == 404
    assert lead.get(preview_url(theirs)).status_code == 404
    assert Upload.objects.filter(pk=theirs.pk).exists()


def test_more_than_was_said_is_refused_and_not_kept(lead: Person) -> None:
    begun = begin(lead, size=5)
    send(lead, begun, 0, b"0123")
    answer = send(lead, begun, 4, b"45")
    assert answer.status_code == 422 and "More bytes" in answer.json()["error"]
    assert pieces.held(Upload.objects.get()) == 4


def test_a_file_over_the_cap_is_refused_before_it_is_sent(lead: Person, settings: Any) -> None:
    answer = begin(lead, size=settings.UPLOAD_MAX_BYTES + 1)
    assert answer.status_code == 413 and "import_corpus" in answer.json()["error"]
    assert not Upload.objects.exists()


def test_a_file_without_room_on_the_disk_is_refused_before_it_is_sent(
    lead: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_SPARE_BYTES", 2**62)
    assert begin(lead).status_code == 507


def test_a_full_disk_keeps_what_came_before(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = begin(lead)
    send(lead, begun, 0, b"0123")

    def full(file: SimpleUploadedFile, size: int | None = None) -> Any:
        yield b"4"
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("django.core.files.uploadedfile.InMemoryUploadedFile.chunks", full)
        answer = send(lead, begun, 4, b"456789")
    assert answer.status_code == 507 and "disk is full" in answer.json()["error"]
    assert begin(lead).json()["offset"] == 4
    assert send(lead, begun, 4, b"456789").json() == {"offset": 10}


@pytest.mark.parametrize("data", [{}, {"name": "rows.json", "size": 0}, {"name": "", "size": 3}, {"size": "x"}])
def test_a_beginning_that_cannot_be_read_is_refused(data: dict[str, Any], lead: Person) -> None:
    assert lead.post(reverse("annotation:upload-begin"), data).status_code == 422


def test_pieces_need_the_token_against_forged_requests(lead: Person) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(lead.user)
    assert begin(strict).status_code == 403


def test_what_was_begun_over_a_week_ago_is_forgotten(lead: Person, var: Path) -> None:
    send(lead, begin(lead), 0, b"0123")
    Upload.objects.update(created=timezone.now() - timedelta(days=8))
    begin(lead, "others.json")
    assert [one.name for one in Upload.objects.all()] == ["others.json"]
    assert kept(var) == []


def test_one_person_has_only_so_many_files_on_their_way(lead: Person) -> None:
    for number in range(pieces.MOST_OPEN):
        begin(lead, f"rows{number}.json")
    assert begin(lead, "one more.json").status_code == 422


def test_a_file_that_is_not_whole_has_no_preview(lead: Person) -> None:
    send(lead, begin(lead), 0, b"0123")
    assert lead.get(preview_url(Upload.objects.get())).status_code == 302


def test_a_removed_file_leaves_nothing(lead: Person, var: Path) -> None:
    upload = make_upload(lead.user)
    lead.post(preview_url(upload), {"do": "remove"})
    assert not Upload.objects.exists() and kept(var) == []


# --- the preview ---


def test_the_preview_proposes_the_format_and_a_name(lead: Person) -> None:
    form = lead.get(preview_url(make_upload(lead.user, as_bytes(), "some rows.json"))).context["form"]
    assert (form.initial["format"], form.initial["name"]) == ("alpaca", "some rows")


def test_the_preview_shows_what_would_be_rejected_and_why(lead: Person) -> None:
    rows = [*ROWS, {"instruction": 3, "output": ""}, {"instruction": "x", "output": ""}]
    text = lead.get(preview_url(make_upload(lead.user, as_bytes(rows)))).text
    assert "instruction: is a number, expected a text" in text
    assert "1 × output is empty" in text


def test_another_format_is_shown_by_a_button(lead: Person) -> None:
    answer = ask(lead, make_upload(lead.user, as_bytes()), "show", format="generic")
    assert answer.status_code == 200
    assert {one["path"]: one["use"] for one in answer.context["columns"]} == {
        "instruction": "prompt",
        "input": "",
        "output": "reply",
    }
    assert not Run.objects.exists()


def test_a_format_that_does_not_fit_says_what_it_expects(lead: Person) -> None:
    upload = make_upload(lead.user, as_bytes())
    for do, status in (("show", 200), ("import", 422)):
        answer = ask(lead, upload, do, format="jade")
        assert (answer.status_code, "expected CSV columns" in answer.context["problem"]) == (status, True)
    assert not Run.objects.exists()


def test_columns_are_read_as_they_are_chosen(lead: Person) -> None:
    upload = make_upload(lead.user, as_bytes(OWN))
    chosen = uses(ask="prompt", said="negative", about="scenario")
    rows = ask(lead, upload, "show", format="generic", **chosen).context["rows"]
    assert [(row.text, row.response, row.scenario) for row in rows] == [
        ("first", "one", "some"),
        ("second", "two", "other"),
    ]


def test_an_import_by_columns_keeps_the_mapping_for_the_next_file(lead: Person) -> None:
    upload = make_upload(lead.user, as_bytes(OWN))
    ask(lead, upload, format="generic", **uses(ask="prompt", said="reply", about=""))
    work_on(Run.objects.get().pk)
    mapping = {"prompt": "ask", "responses": [{"path": "said", "kind": "reply"}]}
    assert Corpus.objects.get().mapping == ColumnMapping.objects.get().mapping == mapping
    context = lead.get(preview_url(make_upload(lead.user, as_bytes(OWN[:1]), "next.json"))).context
    assert {one["path"]: one["use"] for one in context["columns"]}["ask"] == "prompt"


def test_columns_without_a_prompt_are_asked_for(lead: Person) -> None:
    upload = make_upload(lead.user, as_bytes(OWN))
    answer = ask(lead, upload, format="generic", **uses(ask="", said="", about=""))
    assert answer.status_code == 422
    assert answer.context["problem"] == "Say which column holds the prompts."
    assert len(answer.context["columns"]) == 3


def test_a_file_without_names_of_columns_can_be_read(lead: Person) -> None:
    upload = make_upload(lead.user, b"first one,some\nsecond one,other\n", "rows.csv")
    chosen = {"header": "no", **uses(**{"1": "prompt", "2": "scenario"})}
    answer = ask(lead, upload, "show", format="generic", **chosen)
    assert [row.text for row in answer.context["rows"]] == ["first one", "second one"]


def test_lines_can_be_read_as_prompts(lead: Person) -> None:
    upload = make_upload(lead.user, b"first, one\nsecond, two\n", "rows.txt")
    answer = ask(lead, upload, "show", format="generic", lines="on", **uses(**{"1": ""}))
    assert [row.text for row in answer.context["rows"]] == ["first, one", "second, two"]


def test_a_list_inside_a_document_can_be_named(lead: Person) -> None:
    upload = make_upload(lead.user, as_bytes({"set": {"inner": OWN}}))
    layout = {"records": "set.inner", **uses(nothing="")}
    columns = ask(lead, upload, "show", format="generic", **layout).context["columns"]
    assert [one["path"] for one in columns] == ["ask", "said", "about"]


def test_answers_sent_with_the_form_are_used_and_stay_with_it(lead: Person) -> None:
    questions = [{"id": 1, "category": "OFF", "question": "which", "options": ["a", "b"]}]
    upload = make_upload(lead.user, as_bytes(questions), "questions.json")
    assert "carry no answers" in lead.get(preview_url(upload)).context["problem"]
    answers = SimpleUploadedFile("answers.json", as_bytes({"1": {"answer": 1}}))
    shown = ask(lead, upload, "show", format="safetybench", answers=answers)
    assert shown.context["good"] == 1
    token = shown.context["form"].initial["answers_kept"]
    ask(lead, upload, format="safetybench", answers_kept=token)
    work_on(Run.objects.get().pk)
    assert Prompt.objects.get().payload["answer"] == 1
    assert not Upload.objects.exists()


def test_answers_of_somebody_else_are_not_used(lead: Person) -> None:
    theirs = make_upload(make_user("another lead", User.Role.LEAD), as_bytes({"1": {"answer": 1}}))
    questions = [{"id": 1, "category": "OFF", "question": "which", "options": ["a", "b"]}]
    answer = ask(lead, make_upload(lead.user, as_bytes(questions)), format="safetybench", answers_kept=theirs.token)
    assert answer.status_code == 422 and "carry no answers" in answer.context["problem"]


# --- the import ---


def test_a_previewed_file_becomes_a_queued_import(lead: Person) -> None:
    answer = ask(lead, make_upload(lead.user, as_bytes()))
    run = Run.objects.get()
    assert answer.url == f"/runs/{run.pk}/"
    assert (run.stage, run.state, run.actor) == ("import", Run.State.QUEUED, lead.user)
    assert AuditEvent.objects.get(verb="corpus.import").subject == "Sent"
    assert not Upload.objects.exists()


def test_the_import_brings_the_rows_of_the_file(lead: Person) -> None:
    ask(lead, make_upload(lead.user, as_bytes(), "rows.json"), split="train", licence="MIT")
    work_on(Run.objects.get().pk)
    corpus = Corpus.objects.get()
    assert (corpus.name, corpus.file_name, corpus.role) == ("Sent", "rows.json", "general")
    assert (corpus.split, corpus.licence) == ("train", "MIT")
    assert Prompt.objects.filter(corpus=corpus).count() == 3


@pytest.mark.parametrize("wrong", [{"format": "none"}, {"name": ""}, {"name": "Taken"}, {"role": "x"}])
def test_a_form_that_is_wrong_comes_back_and_imports_nothing(lead: Person, wrong: dict[str, str]) -> None:
    make_corpus("Taken")
    response = ask(lead, make_upload(lead.user, as_bytes()), **wrong)
    assert response.status_code == 422
    assert "field-error" in response.text
    assert not Run.objects.exists() and Upload.objects.exists()


@pytest.mark.parametrize("member", ["../rows.json", "/rows.json"])
def test_an_archive_with_an_unsafe_name_is_refused(lead: Person, member: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, json.dumps(ROWS))
    answer = ask(lead, make_upload(lead.user, buffer.getvalue(), "rows.zip"))
    assert answer.status_code == 422 and "unsafe file name" in answer.context["problem"]
    assert not Run.objects.exists()


@pytest.mark.parametrize("stage", ["import", "train"])
def test_no_page_takes_the_path_of_a_file_on_the_server(lead: Person, stage: str) -> None:
    lead.post("/runs/start/", {"stage": stage, "path": "/etc/hostname", "files": '[{"path": "/etc/hostname"}]'})
    lead.post(URL, {"path": "/etc/hostname", "file": "/etc/hostname", "format": "alpaca", "name": "Sent"})
    upload = make_upload(lead.user, as_bytes([{"id": 1, "question": "which", "options": ["a", "b"]}]))
    ask(lead, upload, format="safetybench", path="/etc/hostname", answers="/etc/hostname", answers_kept="/etc/hostname")
    assert not Run.objects.exists()
