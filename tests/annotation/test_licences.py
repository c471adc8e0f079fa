from __future__ import annotations

import pytest

from annotation.licences import may_leave


@pytest.mark.parametrize(
    ("licence", "may"),
    [
        ("", True),
        ("MIT", True),
        ("Apache-2.0", True),
        ("CC BY-NC-SA 4.0", False),
        ("cc-by-nc-4.0", False),
        ("Non-Commercial", False),
        ("for research purposes only", False),
        ("Once", True),
    ],
)
def test_a_licence_for_research_or_without_commerce_stays_inside(licence: str, may: bool) -> None:
    assert may_leave(licence) is may
