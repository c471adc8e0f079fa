"""The list of the merge page: sixty lines come with it, the rest follows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import Person, make_label, make_prompts

pytestmark = pytest.mark.django_db
MERGE = "/labels/"


def listed(response: Any) -> list[str]:
    return [row.name for item in response.context["items"] for row in item.rows]


def test_the_lines_behind_the_first_sixty_follow_when_the_page_stands(annotator: Person) -> None:
    labels = [make_label(f"label {number:03}") for number in range(70)]
    page = annotator.get(MERGE, {"view": "flat"})
    assert (listed(page), page.context["total"]) == ([label.name for label in labels[:60]], 70)
    rest = annotator.get("/labels/rest/", {"view": "flat", "shown": page.context["shown_ids"]})
    assert listed(rest) == [label.name for label in labels[60:]]
    assert (page.context["later"], rest.context["later"]) == (True, False)


def test_a_line_that_moved_to_the_front_meanwhile_is_not_missed(annotator: Person) -> None:
    labels = [make_label(f"label {number:03}") for number in range(70)]
    shown = annotator.get(MERGE, {"view": "flat"}).context["shown_ids"]
    make_label("label 0000", make_prompts(1))
    assert listed(annotator.get("/labels/rest/", {"view": "flat", "shown": shown})) == [
        "label 0000",
        *(label.name for label in labels[60:]),
    ]


def test_all_lines_come_at_once_where_the_chosen_one_is_not_among_the_first(annotator: Person) -> None:
    labels = [make_label(f"label {number:03}") for number in range(70)]
    assert len(listed(annotator.get(MERGE, {"view": "flat", "label": labels[65].pk}))) == 70
    assert len(listed(annotator.get(MERGE, {"view": "flat", "whole": "on"}))) == 70
