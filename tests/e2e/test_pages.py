"""Every page in both themes, wide and narrow."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.e2e.conftest import Opener
from tests.roles import ADDRESSES, statuses
from tests.world import World

pytestmark = pytest.mark.browser
FILES = {"pipeline:set-file", "evaluation:results-csv"}
FIGURES = ("pipeline:set", "pipeline:training", "annotation:distributions", "evaluation:results")


def pages(world: World) -> list[str]:
    """The paths of all pages that a lead may read."""
    names = [name for name in ADDRESSES if statuses(name, "GET")["lead"] == 200 and name not in FILES]
    return [reverse(name, args=world.get(name, [])) for name in names]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_whole_and_fits(theme: str, width: int, world: World, open_window: Opener) -> None:
    window = open_window("lead", width, theme)
    too_wide, other_theme = [], []
    for path in [*pages(world), reverse("evaluation:results") + "?benchmark=new_safety"]:
        window.go(path)
        window.drawn()
        if window.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            too_wide.append(path)
        if window.page.evaluate("document.documentElement.dataset.bsTheme") != theme:
            other_theme.append(path)
    assert window.wrong == []
    assert too_wide == []
    assert other_theme == []


@pytest.mark.parametrize("name", FIGURES)
def test_a_page_with_figures_draws_them(name: str, world: World, open_window: Opener) -> None:
    window = open_window("lead")
    window.go(reverse(name, args=world.get(name, [])))
    assert window.page.locator("[data-figure]").count() > 0
    window.drawn()


def test_the_switch_of_the_theme_is_kept_for_the_next_page(world: World, open_window: Opener) -> None:
    window = open_window("lead")
    window.go("/")
    window.page.locator("#theme-switch").click()
    window.page.wait_for_selector("html[data-bs-theme=dark]")
    window.go(reverse("runs:list"))
    assert window.page.evaluate("document.documentElement.dataset.bsTheme") == "dark"


def test_the_form_of_a_training_shows_its_fields_and_what_is_missing(world: World, open_window: Opener) -> None:
    window = open_window("lead")
    window.go(reverse("pipeline:training-launch"))
    assert window.page.get_by_label("Learning rate").input_value() == "6e-07"
    assert window.page.get_by_role("button", name="Start the training").count() == 1


def test_the_reviewer_works_on_a_phone_without_sideways_scrolling(world: World, open_window: Opener) -> None:
    window = open_window("reviewer", 390)
    window.go(reverse("annotation:review"))
    window.page.wait_for_selector("#answer-safe")
    assert not window.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert window.wrong == []


def test_a_refusal_of_the_content_policy_is_noticed(world: World, open_window: Opener) -> None:
    window = open_window("lead")
    window.go("/")
    with window.page.expect_console_message(lambda message: message.text.startswith("content policy")):
        window.page.evaluate("document.body.setAttribute('style', 'color: red')")
    assert "content policy" in "".join(window.wrong)
