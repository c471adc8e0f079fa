"""Figures of shares: two groups side by side, their differences with intervals, and a matrix. All in percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from madsafe_web.core.charts.figures import bar_layout
from madsafe_web.core.charts.parts import Cell, Chart, Figure, Table, axis_labels, escape


@dataclass(frozen=True, slots=True)
class SharePair:
    """One line: a share in each of two groups (percent), and the difference with its interval (percentage points).

    The difference is None where one of the groups is empty.
    """

    label: str
    first_count: int
    second_count: int
    first: float
    second: float
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PairWords:
    label: str = "Label"
    first: str = "First"
    second: str = "Second"
    count: str = "prompts"
    share: str = "%"
    difference: str = "Difference"
    low: str = "low"
    high: str = "high"
    axis: str = "Share of the prompts, %"
    axis_difference: str = "Percentage points"


def pair_dots(rows: Sequence[SharePair], top: int, words: PairWords | None = None) -> Chart:
    """The first `top` lines, each with a circle and a diamond and a pale band between; the table has them all."""
    w = words or PairWords()
    upward = _upward(rows[:top])
    band: Figure = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    band["x"] = [x for _, r in upward for x in (r.first, r.second, None)]  # a gap after each pair
    band["y"] = [place for y, _ in upward for place in (y, y, None)]
    data = [
        band | {"line": {"width": 5, "color": "@--accent-soft"}},
        _marks([(y, r.first) for y, r in upward], "circle-open", "@--series-base", w.first),
        _marks([(y, r.second) for y, r in upward], "diamond", "@--series-tuned", w.second),
    ]
    layout = bar_layout([y for y, _ in upward], w.axis)
    layout["xaxis"]["ticksuffix"] = " %"
    layout["yaxis"]["ticklabelstandoff"] = 8  # a mark at zero lies on the axis
    columns = (w.label, *(f"{group} {part}" for group in (w.first, w.second) for part in (w.count, w.share)))
    body = tuple((r.label, r.first_count, round(r.first, 2), r.second_count, round(r.second, 2)) for r in rows)
    return Chart({"data": data, "layout": layout}, Table(columns, body))


def pair_differences(rows: Sequence[SharePair], top: int, words: PairWords | None = None) -> Chart:
    """The differences of the first `top` lines with their intervals around a line at zero; the table has them all."""
    w = words or PairWords()
    known = [(y, r) for y, r in _upward(rows[:top]) if r.difference is not None]
    trace = _marks([(y, r.difference or 0.0) for y, r in known], "circle", "@--accent", w.difference)
    trace["error_x"] = {
        "type": "data",
        "symmetric": False,
        "array": [round((r.high or 0) - (r.difference or 0), 3) for _, r in known],
        "arrayminus": [round((r.difference or 0) - (r.low or 0), 3) for _, r in known],
        "thickness": 1.4,
        "width": 3,
        "color": "@--accent",
    }
    layout = bar_layout([y for y, _ in known], w.axis_difference)
    layout["xaxis"] |= {"rangemode": "normal", "zeroline": True}
    columns = (w.label, w.difference, f"{w.difference} {w.low}", f"{w.difference} {w.high}")
    body = tuple((r.label, _rounded(r.difference), _rounded(r.low), _rounded(r.high)) for r in rows)
    return Chart({"data": [trace], "layout": layout}, Table(columns, body))


def share_matrix(
    rows: Sequence[str], columns: Sequence[str], shares: Sequence[Sequence[float | None]], table: Table
) -> Chart:
    """Cells in percent, the darker the larger, the first row on top; a cell of None stays clear."""
    names = axis_labels(rows)
    trace: Figure = {
        "type": "heatmap",
        "x": axis_labels(columns),
        "y": names[::-1],
        "z": [[_rounded(share, 1) for share in row] for row in shares[::-1]],
        "texttemplate": "%{z}",
        "hovertemplate": "%{y}<br>%{x}<br>%{z} %<extra></extra>",
        "hoverongaps": False,
        "colorscale": [[0, "@--accent-soft"], [1, "@--accent-line"]],  # pale: the numbers are read on it
        "textfont": {"color": "@--ink"},
        "zmin": 0,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    layout: Figure = {
        "xaxis": {"side": "top", "showgrid": False, "ticks": "", "zeroline": False, "type": "category"},
        "yaxis": {"showgrid": False, "ticks": "", "zeroline": False, "type": "category"},
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
    }
    return Chart({"data": [trace], "layout": layout}, table)


def _upward(rows: Sequence[SharePair]) -> list[tuple[str, SharePair]]:
    """Lines with their axis labels from the bottom, as Plotly fills an axis."""
    return list(zip(axis_labels([row.label for row in rows]), rows, strict=True))[::-1]


def _marks(points: Sequence[tuple[str, float]], symbol: str, colour: str, name: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [round(x, 2) for _, x in points],
        "y": [y for y, _ in points],
        "marker": {"size": 9, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}},
        "cliponaxis": False,
        "hovertemplate": f"%{{y}}<br>{escape(name)} %{{x:.2f}}<extra></extra>",
    }


def _rounded(value: float | None, digits: int = 2) -> Cell:
    return None if value is None else round(value, digits)
