"""JSON values that every database gives back as they went in."""

from __future__ import annotations

from typing import Any

import pytest

from madsafe_web.core.storable import is_storable, storable


@pytest.mark.parametrize("value", [None, True, 0, 0.0, -1.5, 1e-7, 2**53, "是", {"a": [1, {"b": "c"}]}, []])
def test_an_ordinary_value_can_be_stored(value: Any) -> None:
    assert is_storable(value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 1e16, 1e20, 10**30, -0.0, "\0", "\ud800", {"\0": 1}, {"a": [1, {"b": -0.0}]}]
)
def test_a_value_that_would_come_back_changed_cannot(value: Any) -> None:
    assert not is_storable(value)


def test_text_that_every_database_takes_stays_as_it_is() -> None:
    assert storable("全角，😀 text\n") == "全角，😀 text\n"
