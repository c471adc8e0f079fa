"""What the frame does when something is missing: the network, the server, a worker; and toasts, keys and paper."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.urls import reverse

from madsafe_web.core.models import Run, User, WorkerPulse
from tests.e2e.conftest import Opener, Window
from tests.factories import make_run
from tests.world import World

pytestmark = pytest.mark.browser
AWAY = "#away:not([hidden])"


@pytest.fixture
def lead(world: World, open_window: Opener) -> Window:
    return open_window("lead")


@pytest.fixture
def merging(lead: Window) -> Window:
    lead.go(reverse("annotation:merge"))
    return lead


def active(window: Window) -> str:
    return str(window.page.evaluate("document.activeElement.id || document.activeElement.tagName"))


def test_a_lost_network_is_told_and_the_line_goes_when_it_is_back(merging: Window) -> None:
    merging.page.context.set_offline(True)
    merging.page.wait_for_selector(AWAY)
    merging.page.context.set_offline(False)
    merging.page.wait_for_selector(AWAY, state="detached")


def test_a_server_without_its_database_is_told_by_a_poll_and_the_line_goes_by_itself(lead: Window) -> None:
    run = make_run(state=Run.State.RUNNING, total=10)
    lead.go(reverse("runs:detail", args=[run.pk]))
    with patch("madsafe_web.core.runs.views.render", side_effect=OperationalError("gone")):
        lead.page.wait_for_selector(AWAY)
    lead.page.wait_for_selector(AWAY, state="detached")
    assert lead.page.locator("#toasts .toast-line").count() == 0


def test_an_error_of_the_server_is_told_with_the_id_of_the_request(merging: Window) -> None:
    with patch("annotation.merge.deciding.operation_do", side_effect=ValueError("broken")):
        merging.page.keyboard.press("3")
        line = merging.page.locator("#toasts .is-unsafe .text")
        line.wait_for()
    assert re.search(r"\(500, request [0-9a-f]{16}\)", line.inner_text())


def test_a_decision_is_told_in_the_live_region_with_a_way_back(merging: Window) -> None:
    merging.press("3")
    toasts = merging.page.locator("#toasts")
    assert toasts.get_attribute("aria-live") == "polite"
    toasts.get_by_role("button", name="Undo").click()
    merging.page.wait_for_selector("#label-undo:disabled")


def test_dismissing_a_toast_by_keyboard_does_not_lose_the_focus(merging: Window) -> None:
    merging.press("3")
    merging.page.locator("#toasts [data-close]").focus()
    merging.page.keyboard.press("Enter")
    assert active(merging) == "main"


def test_after_a_decision_the_focus_is_on_a_row_so_that_enter_accepts_there(merging: Window) -> None:
    merging.page.locator("#assign-none").focus()
    merging.press("3")
    merging.page.wait_for_selector("[data-row]:focus")


def test_a_missing_worker_is_told_until_one_is_heard(lead: Window) -> None:
    WorkerPulse.objects.all().delete()
    lead.go(reverse("runs:list"))
    assert "celery -A madsafe_web.celery worker" in lead.page.locator("#no-worker").inner_text()


def test_the_skip_link_leads_to_the_content(lead: Window) -> None:
    lead.go(reverse("runs:list"))
    lead.page.keyboard.press("Tab")
    lead.page.keyboard.press("Enter")
    assert active(lead) == "main"


def test_the_sheet_shows_the_keys_of_the_page(merging: Window) -> None:
    merging.page.keyboard.press("?")
    rows = merging.page.locator("#keys .keylist").inner_text()
    assert "Accept the suggestion" in rows and "OFF" in rows
    merging.page.keyboard.press("Escape")
    assert not merging.page.locator("#keys").is_visible()


def test_a_key_pressed_in_a_field_is_the_new_key(lead: Window) -> None:
    lead.go(reverse("accounts:keys"))
    lead.page.get_by_label("Skip").focus()
    lead.page.keyboard.press("Shift+X")
    lead.page.get_by_role("button", name="Keep these keys").click()
    lead.page.wait_for_selector("text=Your keys are kept.")
    assert User.objects.get(username="lead").keys == {"review-skip": "Shift+x"}


def test_an_own_key_works_and_the_default_does_not(world: World, open_window: Opener) -> None:
    User.objects.filter(username="lead").update(keys={"merge-category-3": "x"})
    window = open_window("lead")
    window.go(reverse("annotation:merge"))
    window.page.keyboard.press("3")
    window.press("x")
    assert window.page.locator("#toasts .toast-line").count() == 1
    assert window.wrong == []


def test_a_key_of_an_input_method_does_nothing(merging: Window) -> None:
    merging.page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '3', isComposing: true, bubbles: true}))"
    )
    assert merging.page.locator(".htmx-request").count() == 0


def test_a_dark_page_is_printed_in_ink_on_white(world: World, open_window: Opener) -> None:
    window = open_window("lead", theme="dark")
    window.go(reverse("evaluation:results"))
    window.drawn()
    window.page.emulate_media(media="print")
    assert colours(window.page) == ("rgb(0, 0, 0)", False)


def colours(page: Any) -> tuple[str, bool]:
    """The colour of the text, and whether the bar at the top is seen."""
    return page.evaluate("getComputedStyle(document.body).color"), page.locator(".topbar").is_visible()
