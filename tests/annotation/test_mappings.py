from __future__ import annotations

import pytest

from annotation.mappings import mapping_save, mapping_saved
from annotation.models import ColumnMapping

pytestmark = pytest.mark.django_db


def test_a_mapping_is_offered_for_the_same_columns_in_any_order() -> None:
    mapping_save(columns=["q", "a"], mapping={"prompt": "q"}, user=None)
    assert mapping_saved(["a", "q"]) == {"prompt": "q"}


def test_other_columns_have_another_mapping() -> None:
    mapping_save(columns=["q", "a"], mapping={"prompt": "q"}, user=None)
    assert mapping_saved(["q"]) == {}


def test_the_newest_mapping_takes_the_place_of_the_last() -> None:
    for prompt in ("q", "a"):
        mapping_save(columns=["q", "a"], mapping={"prompt": prompt}, user=None)
    assert ColumnMapping.objects.get().mapping == {"prompt": "a"}
