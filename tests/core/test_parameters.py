"""Names for people of what stages take."""

from __future__ import annotations

from dataclasses import fields

import pytest

from madsafe_web.core.parameters import NAMES, parameter_name
from madsafe_web.core.runs.stages import stages


@pytest.mark.parametrize("stage", sorted(stages()))
def test_every_parameter_of_a_stage_has_a_name_for_people(stage: str) -> None:
    assert {one.name for one in fields(stages()[stage].params)} - set(NAMES) == set()


def test_the_name_that_files_use_stands_behind() -> None:
    assert parameter_name("per_category") == "Prompts per category (per_category)"


def test_the_same_words_are_not_said_twice() -> None:
    assert parameter_name("learning_rate") == "Learning rate"


def test_a_parameter_without_a_name_for_people_is_called_as_files_do() -> None:
    assert parameter_name("plugged_in") == "plugged_in"
