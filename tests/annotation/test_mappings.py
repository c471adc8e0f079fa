from __future__ import annotations

from pathlib import Path

import pytest

from annotation.loading import declare
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


@pytest.mark.parametrize("name", ["generic", "auto"])
@pytest.mark.parametrize("columns", ['{"question": "a", "note": "b"}', '{"x1": "a", "note": "b"}'])
def test_the_command_reads_a_file_by_the_mapping_that_was_saved_for_its_columns(
    name: str, columns: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(columns)
    mapping_save(columns=["question", "note"], mapping={"prompt": "note"}, user=None)
    mapping_save(columns=["x1", "note"], mapping={"prompt": "note"}, user=None)
    declared = declare(name, path)
    assert (declared["format"], declared["mapping"]) == ("generic", {"prompt": "note"})


def test_a_mapping_given_with_the_command_comes_before_a_saved_one(tmp_path: Path) -> None:
    path, mapping = tmp_path / "rows.jsonl", tmp_path / "mapping.json"
    path.write_text('{"question": "a", "note": "b"}')
    mapping.write_text('{"prompt": "question"}')
    mapping_save(columns=["question", "note"], mapping={"prompt": "note"}, user=None)
    assert declare("auto", path, mapping=mapping)["mapping"] == {"prompt": "question"}


def test_a_format_that_fits_comes_before_a_saved_mapping(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"instruction": "a", "input": "", "output": "b"}')
    mapping_save(columns=["instruction", "input", "output"], mapping={"prompt": "output"}, user=None)
    assert declare("auto", path)["format"] == "alpaca"
