"""A file sent from a real browser: in pieces, over a connection that breaks, to its preview and its import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.urls import reverse

from annotation import pieces
from annotation.models import Upload
from annotation.views import uploads
from madsafe_web.core.models import Run, User
from tests.e2e.conftest import Opener
from tests.factories import make_upload
from tests.world import World

pytestmark = pytest.mark.browser
PAGE = "/corpora/import/"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of some pieces."""
    monkeypatch.setattr(uploads, "PIECE_BYTES", 1000)
    path = tmp_path / "many rows.jsonl"
    rows = [{"instruction": f"row {number}", "output": "reply"} for number in range(100)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_a_broken_piece_is_sent_again_and_the_file_is_imported(world: World, open_window: Opener, file: Path) -> None:
    window = open_window("lead")
    broken: list[str] = []

    def once(route: object, request: object) -> None:
        """The second piece breaks off on its way."""
        seen.append("piece")
        if len(seen) == 2:
            broken.append("piece")
            route.abort("connectionreset")  # type: ignore[attr-defined]  # Playwright's types are not installed
        else:
            route.continue_()  # type: ignore[attr-defined]

    seen: list[str] = []
    window.page.route("**/piece/", once)
    window.go(PAGE)
    window.page.set_input_files("#file", str(file))
    window.page.click("form[data-upload] .btn-primary")
    window.page.wait_for_url("**/corpora/import/*/")
    assert broken == ["piece"]
    upload = Upload.objects.get(name=file.name)
    assert pieces.path_of(upload).read_bytes() == file.read_bytes()
    assert window.page.locator("tbody tr").count() >= 20
    window.page.click("button[value=import]")
    window.page.wait_for_url("**/runs/*/")
    assert Run.objects.filter(stage="import", params__files__0__name="many rows").exists()
    assert [one for one in window.wrong if "ERR_CONNECTION_RESET" not in one] == []


def test_a_page_loaded_again_goes_on_with_the_same_file(world: World, open_window: Opener, file: Path) -> None:
    window = open_window("lead")
    window.page.route("**/piece/", lambda route: route.continue_() if not cut else route.abort())
    cut: list[str] = []
    window.go(PAGE)
    window.page.on("response", lambda answer: cut.append("now") if answer.url.endswith("/piece/") else None)
    window.page.set_input_files("#file", str(file))
    window.page.click("form[data-upload] .btn-primary")
    window.page.wait_for_selector("[data-said]:has-text('trying again')")
    held = pieces.held(Upload.objects.get(name=file.name))
    assert 0 < held < file.stat().st_size
    window.page.close()
    again = open_window("lead")
    again.go(PAGE)
    again.page.set_input_files("#file", str(file))
    again.page.click("form[data-upload] .btn-primary")
    again.page.wait_for_url("**/corpora/import/*/")
    assert Upload.objects.filter(name=file.name).count() == 1
    assert again.wrong == []


def test_another_format_shows_its_rows_at_once(world: World, open_window: Opener) -> None:
    head = ",Question,A,B,C,D,Answer\n"
    upload = make_upload(User.objects.get(username="lead"), f"{head}1,one,a,b,c,d,A\n".encode(), "exam.csv")
    window = open_window("lead")
    window.go(reverse("annotation:upload-preview", args=[upload.token]))
    window.page.focus("#id_format")
    window.page.select_option("#id_format", "generic")
    window.page.wait_for_selector("select[name=use]")
    assert window.page.input_value("#id_licence") == ""
    window.page.wait_for_selector("#id_format:focus")
    window.page.fill("#id_licence", "CC BY-NC 4.0")
    window.page.locator("#id_licence").press("Tab")
    window.page.wait_for_selector("#may-leave:has-text('Stays out of exports')")
    assert window.wrong == []
