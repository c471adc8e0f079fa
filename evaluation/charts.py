"""The figure of a comparison: base against tuned, in the style of the other figures (madsafe_web/core/charts)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.statistics import Interval
from madsafe_web.core.charts.figures import bar_layout
from madsafe_web.core.charts.parts import Cell, Chart, Figure, Table, axis_labels, escape


@dataclass(frozen=True, slots=True)
class Compared:
    """One line of the comparison, all in percent 0..100. An interval is None while the score must not be shown.

    `paper` is where the paper's figure lies (a gain is put on top of this run's base); `chance` the guessing level.
    """

    label: str
    base: Interval | None
    tuned: Interval | None
    paper: float | None = None
    chance: float | None = None

    @property
    def difference(self) -> float | None:
        return self.tuned.value - self.base.value if self.base and self.tuned else None


@dataclass(frozen=True, slots=True)
class ComparisonWords:
    category: str = "Category"
    base: str = "Base"
    tuned: str = "Tuned"
    difference: str = "Difference"
    low: str = "low"
    high: str = "high"
    paper: str = "Reported in the paper"
    chance: str = "Chance"
    axis: str = "Score %"
    axis_narrow: str = "%"


def _dots(
    points: Sequence[tuple[str, Interval]], marker: Figure, colour: str, name: str, *, whiskers: bool = True
) -> Figure:
    line = {"width": 2 if whiskers else 2.6, "color": colour}
    trace: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": [round(i.value, 1) for _, i in points],
        "y": [label for label, _ in points],
        "marker": {**marker, "color": colour, "line": line},
        "hovertemplate": f"%{{y}}<br>{escape(name)} %{{x:.1f}}<extra></extra>",
    }
    if whiskers:
        trace["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": [round(i.high - i.value, 2) for _, i in points],
            "arrayminus": [round(i.value - i.low, 2) for _, i in points],
            "thickness": 1.2,
            "width": 3,
            "color": colour,
        }
    return trace


def _links(rows: Sequence[tuple[str, Compared]]) -> Figure:
    """The pale band from base to tuned: pairs of points with a gap between."""
    xs: list[float | None] = []
    ys: list[str | None] = []
    for label, row in rows:
        if row.base and row.tuned:
            xs += [row.base.value, row.tuned.value, None]
            ys += [label, label, None]
    line = {"width": 5, "color": "@--accent-soft"}
    return {"type": "scatter", "mode": "lines", "x": xs, "y": ys, "line": line, "hoverinfo": "skip"}


def _ticks(points: Sequence[tuple[str, float | None]], colour: str, name: str, size: int) -> Figure:
    known = [(label, Interval(x, x, x)) for label, x in points if x is not None]
    return _dots(known, {"size": size, "symbol": "line-ns-open"}, colour, name, whiskers=False)


def _comparison_table(rows: Sequence[Compared], w: ComparisonWords) -> Table:
    def cells(i: Interval | None) -> tuple[Cell, Cell, Cell]:
        return (round(i.value, 2), round(i.low, 2), round(i.high, 2)) if i else (None, None, None)

    bounds = tuple(f"{name}{part}" for name in (w.base, w.tuned) for part in ("", f" {w.low}", f" {w.high}"))
    columns = (w.category, *bounds, w.difference, w.paper, w.chance)
    body = tuple(
        (
            r.label,
            *cells(r.base),
            *cells(r.tuned),
            None if r.difference is None else round(r.difference, 2),
            r.paper,
            r.chance,
        )
        for r in rows
    )
    return Table(columns, body)


def base_tuned(rows: Sequence[Compared], words: ComparisonWords | None = None) -> Chart:
    """Dots with whiskers for both models, largest gain on top, the paper's figure as a tick (Table 5-1, Figure 5-3)."""
    w = words or ComparisonWords()
    ranked = sorted(rows, key=lambda r: (r.difference is None, -(r.difference or 0), r.label))
    upward = list(zip(axis_labels([r.label for r in ranked[::-1]]), ranked[::-1], strict=True))
    base = [(label, r.base) for label, r in upward if r.base]
    tuned = [(label, r.tuned) for label, r in upward if r.tuned]
    data = [
        _links(upward),
        _dots(base, {"size": 9, "symbol": "circle-open"}, "@--series-base", w.base),
        _dots(tuned, {"size": 10, "symbol": "diamond"}, "@--series-tuned", w.tuned),
        _ticks([(label, r.paper) for label, r in upward], "@--series-paper", w.paper, 11),
        _ticks([(label, r.chance) for label, r in upward], "@--ink-3", w.chance, 7),
    ]
    xaxis = {"range": [0, 102], "dtick": 20, "title": {"text": escape(w.axis)}, "zeroline": False, "showline": True}
    layout = bar_layout([label for label, _ in upward], "")
    layout |= {"xaxis": xaxis, "margin": {"l": 8, "r": 16, "t": 4, "b": 16}}
    narrow = {"xaxis": {"range": [0, 101], "dtick": 25, "title": {"text": escape(w.axis_narrow)}}}
    figure = {"data": [trace for trace in data if trace["x"]], "layout": layout, "narrow": narrow}
    return Chart(figure, _comparison_table(ranked, w))
