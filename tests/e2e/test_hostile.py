"""In a real browser no text runs, loads, covers or leads anywhere: it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from annotation.models import Prompt
from annotation.text import clean
from tests.e2e.conftest import Opener, Window
from tests.hostile import HOSTILE, Held, make_hostile_world

pytestmark = pytest.mark.browser
PAGES = (
    *("overview", "annotation:prompts", "annotation:corpora", "annotation:upload", "annotation:merge"),
    *("runs:list", "pipeline:sets"),
)
FIGURES = ("annotation:distributions", "evaluation:results", "pipeline:training")


@pytest.fixture
def held(live_server: LiveServer, transactional_db: None, settings: Any, tmp_path: Path) -> Held:
    settings.VAR_DIR = tmp_path
    return make_hostile_world(tmp_path, HOSTILE)


def watched(open_window: Opener, role: str = "lead") -> Window:
    """A window in which a dialog counts as something wrong."""
    window = open_window(role)
    window.page.on("dialog", lambda dialog: (window.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    return window


def test_lists_and_figures_full_of_hostile_texts_do_nothing(held: Held, open_window: Opener) -> None:
    window = watched(open_window)
    for name in (*PAGES, *FIGURES):
        window.go(reverse(name, args=held.world.get(name, [])))
        window.drawn()
        assert window.page.locator(".main-svg a").count() == 0
    assert window.wrong == []


def test_the_audit_record_and_the_review_do_nothing(held: Held, open_window: Opener) -> None:
    for role, name in (("admin", "audit:list"), ("reviewer", "annotation:review")):
        window = watched(open_window, role)
        window.go(reverse(name))
        window.page.wait_for_load_state("networkidle")
        assert window.wrong == []


def test_every_text_is_read_as_it_is(held: Held, open_window: Opener) -> None:
    window = watched(open_window)
    for text in HOSTILE:
        prompt = Prompt.objects.get(text=text)
        window.go(reverse("annotation:prompt", args=[prompt.pk]))
        assert window.page.locator(".text-block").first.text_content() == clean(text)
    assert window.wrong == []
