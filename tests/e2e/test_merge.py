"""The merge page in the browser: two people at once, input methods, keys of one's own, mouse, touch and a phone."""

from __future__ import annotations

import pytest
from django.urls import reverse

from annotation.merge.blind import policy_set
from annotation.merge.drafts import map_draft_open
from annotation.merge.presence import presence_note
from annotation.models import IntentLabel, LabelComment, MapEntry
from madsafe_web.core.keys import keys_set
from madsafe_web.core.models import User
from tests.annotation.merge_steps import decide
from tests.e2e.conftest import Opener, Window
from tests.factories import make_corpus, make_label, make_prompts, make_suggestion
from tests.world import World

pytestmark = pytest.mark.browser
COMPOSED = """(key) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", {key, isComposing: true, bubbles: true, cancelable: true}))"""
FULL_WIDTH = """document.body.dispatchEvent(
  new KeyboardEvent("keydown", {key: "ｊ", code: "KeyJ", bubbles: true, cancelable: true}))"""


def decided() -> dict[str, str]:
    """Label → category of the decisions in the draft map."""
    rows = MapEntry.objects.filter(category__isnull=False, merge_map__state="draft")
    return dict(rows.values_list("label__name", "category__code"))


def opened(open_window: Opener, role: str = "annotator", width: int = 1440) -> Window:
    window = open_window(role, width)
    window.go(reverse("annotation:merge"))
    return window


def current(window: Window) -> str:
    return str(window.page.locator("#list [data-row][aria-current] span").first.inner_text())


def crossed(open_window: Opener) -> Window:
    """The window of an annotator whose decision "NS" came after the lead's "EM"; 409 is no error of the page."""
    mine, theirs = opened(open_window), opened(open_window, "lead")
    theirs.press("5")
    mine.press("q")
    mine.page.wait_for_selector("[data-crossed]")
    mine.wrong.clear()
    return mine


def test_who_comes_second_sees_the_decision_of_the_first_and_nothing_is_changed(
    world: World, open_window: Opener
) -> None:
    window = crossed(open_window)
    assert "lead" in window.page.locator("#conflict").inner_text()
    assert decided() == {"first label": "EM"}


def test_one_key_keeps_what_the_first_decided(world: World, open_window: Opener) -> None:
    window = crossed(open_window)
    window.page.keyboard.press("a")
    window.page.wait_for_selector("[data-crossed]", state="detached")
    assert decided() == {"first label": "EM"}
    assert window.wrong == []


def test_one_key_takes_ones_own_decision(world: World, open_window: Opener) -> None:
    window = crossed(open_window)
    window.press("y")
    assert decided() == {"first label": "NS"}
    assert window.page.locator("[data-crossed]").count() == 0
    assert window.wrong == []


def test_one_key_puts_the_label_before_the_lead(world: World, open_window: Opener) -> None:
    window = crossed(open_window)
    window.press("d")
    assert list(MapEntry.objects.filter(flagged=True).values_list("label__name", flat=True)) == ["first label"]
    assert LabelComment.objects.get(label__name="first label").author.username == "annotator"


def crossed_twice(open_window: Opener) -> Window:
    """The window of an annotator whose two decisions "NS", pressed at once, came after two of the lead."""
    mine, theirs = opened(open_window), opened(open_window, "lead")
    theirs.press("5")
    theirs.press("5")
    for _ in range(2):
        mine.page.keyboard.press("q")
    mine.page.wait_for_selector("[data-crossed] >> nth=1")
    mine.wrong.clear()
    return mine


def test_a_crossed_decision_stays_in_sight_though_the_next_key_was_pressed_at_once(
    world: World, open_window: Opener
) -> None:
    mine, theirs = opened(open_window), opened(open_window, "lead")
    theirs.press("5")
    mine.page.keyboard.press("q")
    mine.page.keyboard.press("3")
    mine.page.locator("#labels-CIA", has_text="1").wait_for()
    assert decided() == {"first label": "EM", "second label": "CIA"}
    assert "first label" in mine.page.locator("#conflict").inner_text()
    assert current(mine) == "third label"


def test_each_of_two_crossed_decisions_is_answered_by_one_key(world: World, open_window: Opener) -> None:
    mine = crossed_twice(open_window)
    mine.press("y")
    assert decided() == {"first label": "NS", "second label": "EM"}
    mine.page.keyboard.press("a")
    mine.page.wait_for_selector("[data-crossed]", state="detached")
    assert decided() == {"first label": "NS", "second label": "EM"}
    assert mine.wrong == []


def test_going_elsewhere_waits_for_the_keys_that_are_being_sent(world: World, open_window: Opener) -> None:
    window = opened(open_window)
    with window.page.expect_navigation():
        window.page.keyboard.press("Enter")
        window.page.keyboard.press("3")
        window.page.keyboard.press("p")
        window.page.keyboard.press("5")  # about a list that is going
    assert decided() == {"first label": "OFF", "second label": "CIA"}
    assert current(window) == "third label"


def test_a_key_that_is_held_decides_once_and_moves_on_and_on(world: World, open_window: Opener) -> None:
    window = opened(open_window)
    window.page.keyboard.down("j")
    window.page.keyboard.down("j")
    window.page.keyboard.up("j")
    assert current(window) == "third label"
    window.page.keyboard.down("3")
    window.page.keyboard.down("3")
    window.page.wait_for_selector(".is-sent", state="detached")
    assert decided() == {"third label": "CIA"}


def test_the_keys_of_a_composition_do_nothing(world: World, open_window: Opener) -> None:
    window = opened(open_window)
    before = current(window)
    for key in ("j", "3", "u"):
        window.page.evaluate(COMPOSED, key)
    assert current(window) == before
    assert decided() == {}


def test_a_key_of_a_layout_without_latin_letters_counts_by_its_place(world: World, open_window: Opener) -> None:
    window = opened(open_window)
    window.page.evaluate(FULL_WIDTH)
    assert current(window) == "second label"


def test_a_key_of_ones_own_does_what_it_was_given_to(world: World, open_window: Opener) -> None:
    keys_set(user=User.objects.get(username="annotator"), keys={"merge-accept": "v"})
    window = opened(open_window)
    window.press("v")
    assert decided() == {"first label": "OFF"}


def test_keys_pressed_at_once_decide_one_label_after_the_other(world: World, open_window: Opener) -> None:
    window = opened(open_window)
    window.page.keyboard.press("Enter")
    window.page.keyboard.press("Enter")
    window.press("3")
    window.page.wait_for_selector(".is-sent", state="detached")
    assert decided() == {"first label": "OFF", "second label": "UB", "third label": "CIA"}


def test_ten_keys_pressed_at_once_decide_ten_labels_each_with_its_own_suggestion(
    world: World, open_window: Opener
) -> None:
    prompts = make_prompts(12, make_corpus("Twelve"))
    for number in range(12):
        # Not sure enough to be proposed together.
        make_suggestion(make_label(f"label {number}", prompts[number:]), ("EM", "DP", "NS")[number % 3], 0.7)
    window = opened(open_window)
    lines = window.page.locator("#list [data-item]").all()
    shown = [(str(line.get_attribute("data-name")), str(line.get_attribute("data-code"))) for line in lines]
    for _ in range(10):
        window.page.keyboard.press("Enter")
    window.page.wait_for_selector(".is-sent", state="detached")
    assert decided() == dict(shown[:10])
    assert current(window) == shown[10][0]


def test_keys_walk_from_the_lines_that_came_with_the_page_into_those_that_followed(
    world: World, open_window: Opener
) -> None:
    for number in range(70):
        make_label(f"label {number:03}")
    window = open_window("annotator")
    window.go(reverse("annotation:merge") + "?view=flat")
    window.page.locator("#list [data-name='label 069']").wait_for(state="attached")
    lines = window.page.locator("#list [data-item]")
    names = [str(line.get_attribute("data-name")) for line in lines.all()]
    assert len(names) == len(set(names)) == IntentLabel.objects.count()
    for _ in range(62):
        window.page.keyboard.press("j")
    assert current(window) == names[62]


def test_a_key_pressed_behind_an_undo_waits_for_what_that_brings_back(world: World, open_window: Opener) -> None:
    window = opened(open_window)
    window.press("3")
    window.page.keyboard.press("z")
    window.page.keyboard.press("5")
    window.page.locator("#labels-EM", has_text="1").wait_for()
    assert decided() == {"first label": "EM"}


def test_the_progress_is_told_while_somebody_is_faster_than_it(world: World, open_window: Opener) -> None:
    window = open_window("annotator")
    window.page.clock.install()
    window.go(reverse("annotation:merge"))
    window.page.clock.pause_at(window.page.evaluate("Date.now() + 1000"))
    with window.page.expect_response("**/labels/counts/*"):
        for _ in range(2):
            window.press("Enter")
            window.page.clock.run_for(400)


def test_m_gives_a_common_name_in_a_field_in_the_page(world: World, open_window: Opener) -> None:
    window = opened(open_window)
    window.page.keyboard.press("m")
    window.page.keyboard.type("a name")
    window.press("Enter")
    assert list(MapEntry.objects.exclude(theme="").values_list("label__name", "theme")) == [("first label", "a name")]
    assert current(window) == "a name"


def test_g_shows_the_guideline_of_the_row_and_follows_it(world: World, open_window: Opener) -> None:
    window = opened(open_window)
    shown = window.page.locator("[data-guide-of]:visible")
    window.page.keyboard.press("g")
    assert shown.get_attribute("data-guide-of") == "OFF"
    window.page.keyboard.press("j")
    assert shown.get_attribute("data-guide-of") == "UB"
    window.page.keyboard.press("g")
    assert shown.count() == 0


def test_on_a_phone_a_button_shows_the_guideline(world: World, open_window: Opener) -> None:
    window = opened(open_window, width=390)
    window.page.locator("#label-actions [data-guide]").click()
    assert window.page.locator("[data-guide-of]:visible").get_attribute("data-guide-of") == "OFF"
    assert window.wrong == []


def test_one_key_settles_a_disagreement_on_either_answer(world: World, open_window: Opener) -> None:
    lead = User.objects.get(username="lead")
    policy_set(user=lead, two_people=True, prompts_from=1, confidence_below=1.0)
    draft = map_draft_open()
    for name in ("first label", "second label"):
        for who, target in (("annotator", "CIA"), ("somebody else", "EM")):
            decide(draft, User.objects.get(username=who), target, name)
    window = open_window("lead")
    window.go(f"{reverse('annotation:merge')}?view=conflicts")
    window.press("l")
    window.page.locator("#label-pane h2", has_text="second label").wait_for()
    window.press("h")
    assert decided() == {"first label": "EM", "second label": "CIA"}
    window.page.locator("#given").wait_for(state="detached")
    assert window.wrong == []


def test_c_keeps_a_comment_about_the_label(world: World, open_window: Opener) -> None:
    window = opened(open_window)
    window.page.keyboard.press("c")
    window.page.keyboard.type("looks like two")
    window.press("Enter")
    assert LabelComment.objects.get(label__name="first label").text == "looks like two"


def test_the_mouse_ticks_labels_and_decides_them_together(world: World, open_window: Opener) -> None:
    window = open_window("annotator")
    window.go(f"{reverse('annotation:merge')}?view=flat")
    for name in ("second label", "third label"):
        window.page.get_by_label(f"Decide {name} together").check()
    window.page.locator("#assign-DP").click()
    window.page.wait_for_selector("#list .cat-dp >> nth=1")
    assert decided() == {"second label": "DP", "third label": "DP"}


def test_the_phone_decides_by_touch_without_sideways_scrolling(world: World, open_window: Opener) -> None:
    window = opened(open_window, width=390)
    window.page.locator("#assign-EM").click()
    window.page.locator("#list [data-row]", has_text="first label").wait_for(state="detached")
    assert decided() == {"first label": "EM"}
    assert not window.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert window.wrong == []


def test_the_numbers_follow_a_decision(world: World, open_window: Opener) -> None:
    window = opened(open_window)
    window.press("3")
    window.page.locator("#labels-CIA", has_text="1").wait_for()
    assert window.wrong == []


def test_who_looks_at_a_label_is_shown_to_others(world: World, open_window: Opener) -> None:
    presence_note(User.objects.get(username="lead"), IntentLabel.objects.get(name="second label"))
    window = opened(open_window)
    window.page.locator("#list .seen[title=lead]").wait_for()
    assert window.wrong == []
