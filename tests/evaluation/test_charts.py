from __future__ import annotations

import json

from evaluation.charts import Compared, base_tuned
from evaluation.statistics import Interval


def test_the_comparison_is_plain_json_with_a_cell_for_each_column():
    interval = Interval(50.0, 40.0, 60.0)
    chart = base_tuned([Compared("x", interval, interval, 55, 25)])
    assert json.loads(json.dumps(chart.figure, allow_nan=False)) == chart.figure
    assert {len(row) for row in chart.table.rows} == {len(chart.table.columns)}


def test_the_largest_gain_is_on_top_and_whiskers_are_distances():
    small = Compared("small", Interval(50, 40, 60), Interval(52, 45, 61))
    large = Compared("large", Interval(20, 15, 30), Interval(80, 70, 85))
    links, base, tuned = base_tuned([small, large]).figure["data"]
    assert base["y"] == ["small", "large"]
    assert tuned["error_x"]["array"] == [9, 5]
    assert tuned["error_x"]["arrayminus"] == [7, 10]
    assert links["x"] == [50, 52, None, 20, 80, None]


def test_the_papers_figure_is_a_tick_only_where_it_exists():
    rows = [Compared("a", Interval(28.7, 21, 37), None, paper=87.7), Compared("b", Interval(10, 5, 20), None)]
    ticks = base_tuned(rows).figure["data"][-1]
    assert (ticks["x"], ticks["y"]) == ([87.7], ["a"])
    assert ticks["marker"]["symbol"] == "line-ns-open"
    assert "Reported in the paper" in ticks["hovertemplate"]


def test_a_score_with_open_items_is_neither_drawn_nor_listed():
    chart = base_tuned([Compared("a", Interval(50, 40, 60), None)])
    assert len(chart.figure["data"]) == 1
    assert chart.table.rows == (("a", 50, 40, 60, None, None, None, None, None, None),)
