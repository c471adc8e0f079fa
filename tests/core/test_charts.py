from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation.taxonomy import CATEGORIES
from madsafe_web.core.charts.figures import (
    LossPoint,
    bars,
    category_bars,
    histogram,
    loss_curve,
    scenario_distribution,
    smooth,
    top_labels,
)
from madsafe_web.core.charts.parts import Chart, Table, escape

TOKENS = Path(__file__).parents[3] / "shared" / "design" / "mockups" / "css" / "tokens.css"


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def every_chart() -> list[Chart]:
    return [
        bars(["a"], [1]),
        top_labels({"a": 1}),
        category_bars({code: 1 for code, *_ in CATEGORIES}, {}, {}),
        scenario_distribution({"one": {"a": 1}, "two": {"b": 2}}),
        histogram(["0–10", "11–20"], [3, 0]),
        loss_curve([LossPoint(1, 2.0, 2.1, 6e-7)], epochs=[(0, "1"), (4, "2")]),
    ]


def test_figures_are_plain_json_without_nan():
    for chart in every_chart():
        assert json.loads(json.dumps(chart.figure, allow_nan=False)) == chart.figure


@pytest.mark.skipif(not TOKENS.is_file(), reason="no shared design tokens beside the checkout")
def test_every_colour_is_a_token_of_the_style_sheet():
    css = TOKENS.read_text(encoding="utf-8")
    used = {text for chart in every_chart() for text in strings(chart.figure) if text.startswith("@")}
    assert used
    assert [token for token in used if f"{token[1:]}:" not in css] == []


def test_every_table_row_has_a_cell_for_each_column():
    for chart in every_chart():
        assert {len(row) for row in chart.table.rows} == {len(chart.table.columns)}


# --- text ---


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        ("a & b", "a &amp; b"),
        ("%{x}", "%&#123;x}"),
        ("@--accent", "&#64;--accent"),
        ("a\nb", "a b"),
    ],
)
def test_text_is_shown_literally(text, shown):
    assert escape(text) == shown


def test_labels_in_a_figure_are_escaped_and_in_the_table_they_are_not():
    chart = bars(["<i>a</i>"], [1])
    assert chart.figure["data"][0]["y"] == ["&lt;i&gt;a&lt;/i&gt;"]
    assert chart.table.rows == (("<i>a</i>", 1),)


def test_long_labels_that_begin_alike_stay_apart():
    ys = bars(["x" * 60 + "a", "x" * 60 + "b"], [2, 1]).figure["data"][0]["y"]
    assert len(set(ys)) == 2


def test_a_cell_that_looks_like_a_formula_is_quoted_in_the_csv():
    assert Table(("a", "b"), (("=1+1", -2),)).to_csv() == "a,b\r\n'=1+1,-2\r\n"


# --- bars ---

COLOURS = {"OFF": "@--cat-off", "PS": "@--cat-ps"}


def test_the_largest_bar_is_on_top():
    chart = bars(["a", "b", "c"], [1, 3, 2])
    assert chart.figure["data"][0]["y"] == ["a", "c", "b"]
    assert [row[0] for row in chart.table.rows] == ["b", "c", "a"]


def test_a_value_that_is_not_finite_is_a_gap():
    assert bars(["a"], [float("inf")]).figure["data"][0]["x"] == [None]


def test_bars_refuse_lists_of_different_length():
    with pytest.raises(ValueError):
        bars(["a"], [1, 2])


def test_top_labels_draws_twenty_and_lists_all():
    chart = top_labels({f"label {i:02}": 100 - i for i in range(30)})
    assert len(chart.figure["data"][0]["y"]) == 20
    assert len(chart.table.rows) == 30


def test_each_category_keeps_its_colour_when_bars_are_sorted():
    chart = category_bars({"OFF": 1, "PS": 5}, {"OFF": "冒犯侮辱", "PS": "政治言论"}, COLOURS)
    assert chart.figure["data"][0]["y"] == ["OFF 冒犯侮辱", "PS 政治言论"]
    assert chart.figure["data"][0]["marker"]["color"] == ["@--cat-off", "@--cat-ps"]


def test_the_scenario_figure_keeps_groups_together_in_one_order():
    chart = scenario_distribution({"typical": {"a": 1, "b": 9}, "attack": {"c": 5}})
    assert chart.figure["layout"]["yaxis"]["categoryarray"] == ["c", "a", "b"]
    assert [trace["name"] for trace in chart.figure["data"]] == ["typical", "attack"]
    assert chart.table.rows == (("typical", "b", 9), ("typical", "a", 1), ("attack", "c", 5))


# --- loss ---


def test_the_smoothed_line_is_a_centred_mean():
    assert smooth([1, 2, 3, 4], 1) == [1.5, 2, 3, 3.5]
    assert smooth([], 3) == []


def test_the_loss_curve_is_in_order_of_steps_and_skips_what_is_not_finite():
    chart = loss_curve([LossPoint(3, 1.0), LossPoint(1, 2.0), LossPoint(2, float("nan"))])
    assert chart.figure["data"][0]["x"] == [1, 3]
    assert len(chart.table.rows) == 3


def test_without_learning_rates_there_is_no_second_axis():
    assert "yaxis2" not in loss_curve([LossPoint(1, 2.0)]).figure["layout"]
    assert "yaxis2" in loss_curve([LossPoint(1, 2.0, None, 1e-6)]).figure["layout"]


def test_each_epoch_is_named_and_each_but_the_first_has_a_line():
    layout = loss_curve([LossPoint(1, 2.0)], epochs=[(0, "第 1 遍"), (4000, "第 2 遍")]).figure["layout"]
    assert [a["text"] for a in layout["annotations"]] == ["第 1 遍", "第 2 遍"]
    assert [s["x0"] for s in layout["shapes"]] == [4000]


def test_a_training_without_points_is_an_empty_figure():
    chart = loss_curve([], total_steps=100)
    assert chart.figure["data"] == []
    assert chart.figure["layout"]["xaxis"]["range"] == [0, 101]


def test_a_histogram_keeps_the_order_of_its_bins():
    chart = histogram(["0–10", "11–20", "> 20"], [1, 5, 2])
    assert chart.figure["data"][0]["x"] == ["0–10", "11–20", "&gt; 20"]
    assert chart.table.rows == (("0–10", 1), ("11–20", 5), ("> 20", 2))
