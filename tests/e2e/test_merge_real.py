"""The real labels of S-Eval, merged by keys alone from nothing: what counts stands in the database."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from annotation.label_use import label_use
from annotation.models import MapEntry
from tests.e2e.conftest import Opener
from tests.e2e.real_labels import real_labels
from tests.factories import make_user

pytestmark = pytest.mark.browser
LABELS = 253
PRESSES = LABELS // 2  # half a keystroke a label
# Real presses, counted where the page receives them.
COUNT = (
    'window.presses = 0; addEventListener("keydown", (event) => { if (event.isTrusted) window.presses += 1; }, true)'
)


def decided_share() -> float:
    """Share of the prompts all of whose labels are decided."""
    use = label_use()
    entries = MapEntry.objects.filter(merge_map__state="draft").exclude(decided_by="")
    return use.prompts_within(list(entries.values_list("label", flat=True))) / use.prompts


@pytest.fixture
def nothing(live_server: Any, transactional_db: None, settings: Any, tmp_path: Any) -> None:
    """An installation with its people and the real labels, without any decision."""
    settings.VAR_DIR = tmp_path
    make_user("annotator", "annotator")
    assert real_labels() == LABELS


def test_the_keyboard_decides_nineteen_prompts_of_twenty_with_half_a_keystroke_a_label(
    nothing: None, open_window: Opener, record_property: Any
) -> None:
    window = open_window("annotator", language="zh-hans")
    window.page.add_init_script(COUNT)
    window.go(reverse("annotation:merge"))
    share = 0.0
    while share < 0.95 and window.page.evaluate("window.presses") < PRESSES:
        window.press("Enter")
        share = decided_share()
    presses = window.page.evaluate("window.presses")
    record_property("presses", presses)
    assert share >= 0.95, f"{share:.3f} after {presses}"
    assert presses <= PRESSES
    assert window.wrong == []
