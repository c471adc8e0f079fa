"""Merging, reviewing and exploring by keys alone; what counts of decisions is what stands in the database."""

from __future__ import annotations

import pytest
from django.urls import reverse

from annotation.models import Judgement, MapEntry, Seat
from tests.e2e.conftest import Opener, Window
from tests.factories import make_corpus, make_prompts
from tests.world import World

pytestmark = pytest.mark.browser


def decided() -> dict[str, str]:
    """Label → category of the decisions in the draft map."""
    rows = MapEntry.objects.filter(category__isnull=False, merge_map__state="draft")
    return dict(rows.values_list("label__name", "category__code"))


def answers() -> list[str]:
    return list(Judgement.objects.filter(withdrawn=False).order_by("id").values_list("answer", flat=True))


@pytest.fixture
def merging(world: World, open_window: Opener) -> Window:
    window = open_window("lead")
    window.go(reverse("annotation:merge"))
    return window


@pytest.fixture
def reviewing(world: World, open_window: Opener) -> Window:
    window = open_window("reviewer")
    window.go(reverse("annotation:review"))
    window.page.wait_for_selector("#answer-safe")  # the page takes the first item by a request of its own
    return window


def test_a_digit_puts_the_label_into_its_category(merging: Window) -> None:
    merging.press("3")
    assert decided() == {"first label": "CIA"}
    assert merging.wrong == []


def test_enter_accepts_the_suggestion_and_the_next_label_is_shown(merging: Window) -> None:
    merging.press("Enter")
    merging.press("Enter")
    assert decided() == {"first label": "OFF", "second label": "UB"}
    assert merging.wrong == []


def test_z_takes_a_decision_back_and_shift_z_makes_it_again(merging: Window) -> None:
    merging.press("3")
    merging.press("z")
    assert decided() == {}
    merging.press("Shift+Z")
    assert decided() == {"first label": "CIA"}
    assert merging.wrong == []


def test_a_key_typed_into_the_search_decides_nothing(merging: Window) -> None:
    merging.page.keyboard.press("/")
    merging.page.keyboard.type("3z")
    assert merging.page.evaluate("document.activeElement.value") == "3z"
    assert decided() == {}


def test_one_says_safe_and_two_says_unsafe(reviewing: Window) -> None:
    reviewing.press("1")
    reviewing.press("2")
    assert answers() == ["safe", "unsafe"]
    assert reviewing.wrong == []


def test_s_skips_an_item_without_an_answer(reviewing: Window) -> None:
    reviewing.press("s")
    assert answers() == []
    assert list(Seat.objects.filter(skipped=1).values_list("item__prompt", flat=True)) == ["question 1"]


def test_z_takes_the_last_answer_back(reviewing: Window) -> None:
    reviewing.press("1")
    reviewing.press("z")
    assert answers() == []
    assert reviewing.page.locator(".ask").inner_text() == "question 1"


def test_the_verdict_of_the_judge_is_not_in_the_page_before_the_answer(reviewing: Window) -> None:
    assert "tuned" not in reviewing.page.content().lower()


@pytest.fixture
def exploring(world: World, open_window: Opener) -> Window:
    make_prompts(60, make_corpus("Many"))
    window = open_window("annotator")
    window.go(reverse("annotation:prompts"))
    return window


def marked(window: Window) -> str:
    found = window.page.locator("tr[aria-current] .prompt")
    return str(found.inner_text()) if found.count() else ""


def test_j_and_k_walk_over_the_prompts_and_enter_opens_one(exploring: Window) -> None:
    for key in ("j", "j", "k"):
        exploring.page.keyboard.press(key)
    assert marked(exploring) == "prompt 60"
    exploring.page.keyboard.press("Enter")
    exploring.page.wait_for_url("**/prompts/*/")
    assert exploring.wrong == []


def test_n_and_p_turn_the_pages(exploring: Window) -> None:
    exploring.page.keyboard.press("n")
    exploring.page.wait_for_url("**/prompts/?page=2")
    exploring.page.keyboard.press("p")
    exploring.page.wait_for_url("**/prompts/?page=1")
    assert exploring.wrong == []


def test_slash_leads_to_the_search_and_a_ticked_facet_narrows_the_list_and_the_address(exploring: Window) -> None:
    exploring.page.keyboard.press("/")
    exploring.page.keyboard.type("prompt 1")
    exploring.page.keyboard.press("Enter")
    exploring.page.wait_for_url("**/prompts/?q=prompt+1")
    exploring.page.get_by_label("Many").check()
    exploring.page.wait_for_url("**/prompts/?q=prompt+1&corpus=*")
    exploring.page.get_by_text("11 of ").wait_for()
    assert exploring.wrong == []
