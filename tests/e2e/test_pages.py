"""Every page in both themes and languages, wide and narrow."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from tests.e2e.conftest import Opener
from tests.e2e.walk import TEXTS, axe_script, problems, stored_words, untranslated
from tests.roles import ADDRESSES, statuses
from tests.world import World

pytestmark = pytest.mark.browser
# Files, and fragments that have no frame around them.
FILES = {
    *("pipeline:set-file", "evaluation:results-csv", "audit:export", "healthz", "annotation:prompts-facet"),
    *("runs:bell", "runs:notices-newest", "annotation:taxonomy-export"),
    *("annotation:label-members", "annotation:label-rest", "annotation:label-counts"),
}
API = "api:"
TABLES = "/admin/"  # rows as they stand, in the words of the code
EXTRA = {"lead": ("/results/?benchmark=new_safety",)}
FIGURES = ("pipeline:set", "pipeline:training", "annotation:distributions", "evaluation:results")


def pages(world: World, role: str) -> list[str]:
    """The paths of all pages that the role may read; of an admin, those that a lead may not."""
    names = [name for name in ADDRESSES if name not in FILES and (name == "api:docs" or not name.startswith(API))]
    opened = [name for name in names if statuses(name, "GET")[role] == 200]
    if role == "admin":
        opened = [name for name in opened if statuses(name, "GET")["lead"] != 200]
    return [reverse(name, args=world.get(name, [])) for name in opened]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_whole_accessible_and_translated(
    theme: str, language: str, width: int, world: World, open_window: Opener, record_property: Any
) -> None:
    axe, found, visited = axe_script(), [], 0
    for role in ("lead", "admin"):
        window = open_window(role, width, theme, language)
        known = stored_words() if language != "en" else set()
        for path in [*pages(world, role), *EXTRA.get(role, ())]:
            window.go(path)
            window.drawn()
            wrong = list(problems(window.page, axe, theme))
            if known and not path.startswith(TABLES):
                wrong += untranslated(window.page.evaluate(TEXTS), known)
            found += [f"{role} {path}: {one}" for one in wrong]
            visited += 1
        found += window.wrong
    record_property("pages", visited)
    assert visited >= 20
    assert found == [], "\n".join(["", *found])


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


def test_a_page_that_is_not_accessible_or_not_translated_is_noticed(world: World, open_window: Opener) -> None:
    window = open_window("lead", language="zh-hans")
    window.go("/runs/")
    window.page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<input value=x> Bare words')")
    assert any(one.startswith("label:") for one in problems(window.page, axe_script(), "light"))
    assert list(untranslated(window.page.evaluate(TEXTS), stored_words())) == ["'Bare words' (Bare, words)"]


def test_a_refusal_of_the_content_policy_is_noticed(world: World, open_window: Opener) -> None:
    window = open_window("lead")
    window.go("/")
    with window.page.expect_console_message(lambda message: message.text.startswith("content policy")):
        window.page.evaluate("document.body.setAttribute('style', 'color: red')")
    assert "content policy" in "".join(window.wrong)
