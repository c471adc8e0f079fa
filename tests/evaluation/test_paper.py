from __future__ import annotations

import re
from pathlib import Path

import pytest

from evaluation import paper

TEXT = Path(__file__).parents[3] / "shared" / "paper.txt"


def cells(rows: tuple[paper.Reported, ...], model: str) -> dict[str, float]:
    return {row.metric: row.value for row in rows if row.model == model}


@pytest.mark.skipif(not TEXT.is_file(), reason="no shared/paper.txt beside the checkout")
def test_every_figure_stands_in_the_text_of_the_paper():
    numbers = {float(found) for found in re.findall(r"\d+(?:\.\d+)?", TEXT.read_text(encoding="utf-8"))}
    rows = (*paper.SAFETYBENCH, *paper.RESPONSIBILITY, *paper.GENERAL)
    printed = [row.value for row in rows] + [abs(row.gain) for row in rows if row.gain is not None]
    assert [value for value in printed + [gain.points for gain in paper.NEW_SAFETY] if value not in numbers] == []


@pytest.mark.parametrize("rows", [paper.SAFETYBENCH, paper.GENERAL])
def test_printed_gains_are_the_difference_of_the_printed_levels(rows):
    base, tuned = cells(rows, paper.BASE), cells(rows, paper.TUNED)
    gains = {row.metric: row.gain for row in rows if row.gain is not None}
    assert {m: round(tuned[m] - base[m], 2) for m in gains} == gains


def test_the_safetybench_table_has_three_models_and_eight_columns():
    assert len(paper.SAFETYBENCH) == 24
    assert cells(paper.SAFETYBENCH, paper.BASE)["Avg"] == 56.0


def test_chatgpt_and_chatglm_rows_are_equal_as_their_rules_are():
    for model in (paper.BASE, paper.TUNED):
        values = cells(paper.RESPONSIBILITY, model)
        assert values["chatgpt"] == values["chatglm"]


def test_the_average_of_responsibility_is_the_mean_of_its_rows():
    for model in (paper.BASE, paper.TUNED):
        values = cells(paper.RESPONSIBILITY, model)
        average = values.pop("average")
        assert sum(values.values()) / 5 == pytest.approx(average, abs=1e-4)


def test_the_figure_of_the_new_benchmark_gives_three_gains_and_an_average_only():
    assert {gain.category: gain.points for gain in paper.NEW_SAFETY} == {"IA": 59, "OFF": 53, "MI": 51, "average": 30}
    assert paper.new_safety_gain("average").at_least
    assert paper.new_safety_gain("PS") is None


def test_every_figure_is_marked_as_reported():
    rows = (*paper.SAFETYBENCH, *paper.RESPONSIBILITY, *paper.GENERAL, *paper.NEW_SAFETY)
    assert {row.mark for row in rows} == {"reported in the paper"}


def test_a_cell_the_paper_does_not_have_is_none():
    assert paper.reported("5-1", paper.TUNED, "CIA").gain == 6.9
    assert paper.reported("5-1", paper.TUNED, "PMH") is None
