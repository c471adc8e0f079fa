"""Figures as Plotly dictionaries, each with the same numbers as a table.

The server draws nothing and sends no colour: a string that begins with "@--" names a CSS variable, which
static/js/figures.js resolves for the theme in use. Horizontal bars and dots with direct labels, so no legend is
needed for the fourteen categories. All words come from the caller, translated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from madsafe_web.core.charts.parts import Chart, Figure, Table, axis_labels, escape, finite

# --- bars ---


def _bar(labels: Sequence[str], values: Sequence[float], colours: str | list[str], name: str = "") -> Figure:
    return {
        "type": "bar",
        "orientation": "h",
        "name": escape(name),
        "x": [finite(value) for value in values],
        "y": list(labels),
        "marker": {"color": colours},
        "texttemplate": "%{x:,}",
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}<br>%{x:,}<extra></extra>",
    }


def bar_layout(order: Sequence[str], axis: str) -> Figure:
    """The layout of a horizontal figure: `order` names its lines from the bottom up, `axis` its values."""
    return {
        "xaxis": {"title": {"text": escape(axis)}, "rangemode": "tozero", "tickformat": ",", "showline": True},
        "yaxis": {
            "showgrid": False,
            "ticks": "",
            "zeroline": False,
            "categoryorder": "array",
            "categoryarray": list(order),
        },
        "bargap": 0.35,
        "margin": {"l": 8, "r": 40, "t": 4, "b": 16},
    }


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    *,
    colours: str | Sequence[str] = "@--accent",
    axis: str = "",
    columns: tuple[str, str] = ("Label", "Value"),
) -> Chart:
    """Horizontal bars, the largest on top. Raises ValueError for lists of different length.

    `colours` is one token or one for each label.
    """
    paint = [colours] * len(labels) if isinstance(colours, str) else list(colours)
    rows = sorted(zip(labels, values, paint, strict=True), key=lambda row: (-row[1], row[0]))
    # Plotly fills a category axis from the bottom.
    upward = rows[::-1]
    shown = axis_labels([name for name, _, _ in upward])
    trace = _bar(shown, [value for _, value, _ in upward], [colour for _, _, colour in upward])
    table = Table(columns, tuple((name, value) for name, value, _ in rows))
    return Chart({"data": [trace], "layout": bar_layout(shown, axis)}, table)


def top_labels(
    counts: Mapping[str, int], *, top: int = 20, axis: str = "", columns: tuple[str, str] = ("Label", "Prompts")
) -> Chart:
    """The `top` most frequent labels of a corpus (Figures 3-3 to 3-5). Ties go by name. The table has them all."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    chart = bars([name for name, _ in ranked[:top]], [count for _, count in ranked[:top]], axis=axis)
    return Chart(chart.figure, Table(columns, tuple(ranked)))


def category_bars(
    values: Mapping[str, float],
    names: Mapping[str, str],
    colours: Mapping[str, str],
    *,
    axis: str = "",
    columns: tuple[str, str] = ("Category", "Value"),
) -> Chart:
    """One bar a category in its fixed colour, labelled with code and name.

    All three are keyed by code; `colours` are tokens, and a code without one is drawn in a neutral colour.
    """
    labels = [f"{code} {names.get(code, '')}".strip() for code in values]
    paint = [colours.get(code, "@--line-strong") for code in values]
    return bars(labels, list(values.values()), colours=paint, axis=axis, columns=columns)


_GROUP_COLOURS = ("@--accent", "@--series-paper", "@--series-base")


def scenario_distribution(
    groups: Mapping[str, Mapping[str, int]],
    *,
    axis: str = "",
    columns: tuple[str, str, str] = ("Group", "Scenario", "Prompts"),
) -> Chart:
    """A corpus by scenario, group below group (Figure 3-2): group name -> scenario -> number of prompts."""
    ranked = [
        (g, s, n) for g, members in groups.items() for s, n in sorted(members.items(), key=lambda m: (-m[1], m[0]))
    ]
    shown = axis_labels([scenario for _, scenario, _ in ranked])
    traces = []
    for i, group in enumerate(groups):
        mine = [(label, n) for label, (g, _, n) in zip(shown, ranked, strict=True) if g == group]
        colour = _GROUP_COLOURS[i % len(_GROUP_COLOURS)]
        traces.append(_bar([label for label, _ in mine], [n for _, n in mine], colour, group))
    layout = bar_layout(shown[::-1], axis)
    layout |= {"showlegend": len(groups) > 1, "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}}
    # Without this, traces of different groups would share each line and leave half of it empty.
    layout["barmode"] = "overlay"
    return Chart({"data": traces, "layout": layout}, Table(columns, tuple(ranked)))


def histogram(
    bins: Sequence[str], counts: Sequence[int], *, axis: str = "", columns: tuple[str, str] = ("From to", "Count")
) -> Chart:
    """Upright bars in the order of `bins`, which name spans of a measure. Raises ValueError for different lengths."""
    rows = tuple(zip(bins, counts, strict=True))
    shown = axis_labels(bins)
    trace: Figure = {
        "type": "bar",
        "x": shown,
        "y": list(counts),
        "marker": {"color": "@--accent"},
        "hovertemplate": "%{x}<br>%{y:,}<extra></extra>",
    }
    layout: Figure = {
        "xaxis": {"type": "category", "title": {"text": escape(axis)}, "showgrid": False, "ticks": ""},
        "yaxis": {"rangemode": "tozero", "tickformat": ",", "zeroline": False},
        "bargap": 0.12,
        "margin": {"l": 8, "r": 16, "t": 8, "b": 16},
    }
    return Chart({"data": [trace], "layout": layout}, Table(columns, rows))


# --- training loss ---


@dataclass(frozen=True, slots=True)
class LossPoint:
    """One logged step: mean training loss, the loss on held-out rows where measured, the learning rate."""

    step: int
    loss: float | None = None
    eval_loss: float | None = None
    learning_rate: float | None = None


@dataclass(frozen=True, slots=True)
class LossWords:
    step: str = "Step"
    loss: str = "Loss"
    eval_loss: str = "Evaluation loss"
    learning_rate: str = "Learning rate"
    axis: str = "Optimiser step"


def smooth(values: Sequence[float], half_window: int) -> list[float]:
    """Centred moving mean over up to 2 * half_window + 1 values, fewer at the ends. O(n)."""
    sums = [0.0, *accumulate(values)]
    spans = [(max(0, i - half_window), min(len(values), i + half_window + 1)) for i in range(len(values))]
    return [(sums[high] - sums[low]) / (high - low) for low, high in spans]


def _line(points: Sequence[tuple[int, float]], line: Figure, hover: str | None, **extra: Any) -> Figure:
    trace: Figure = {"type": "scatter", "mode": "lines", "x": [x for x, _ in points], "y": [y for _, y in points]}
    trace |= {"hovertemplate": hover} if hover else {"hoverinfo": "skip"}
    return trace | {"line": line} | extra


def _epochs(marks: Sequence[tuple[int, str]]) -> Figure:
    """A dotted line where each later epoch begins, and every epoch's name at its top."""
    dotted = {"width": 1, "dash": "dot", "color": "@--line-strong"}
    lines = [
        {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": dotted} for x, _ in marks if x > 0
    ]
    place = {"y": 1, "yref": "paper", "showarrow": False, "xanchor": "left", "yanchor": "top", "xshift": 4}
    font = {"size": 11, "color": "@--ink-3"}
    return {
        "shapes": lines,
        "annotations": [{"x": x, "text": escape(name), **place, "font": font} for x, name in marks],
    }


def _loss_layout(last: int, with_rate: bool, epochs: Sequence[tuple[int, str]], axis: str) -> Figure:
    xaxis: Figure = {"range": [0, last * 1.01 or 1], "tickformat": ",d", "zeroline": False, "nticks": 8}
    layout: Figure = {
        "xaxis": {**xaxis, "title": {"text": escape(axis)}},
        "yaxis": {"tickformat": ".2f", "zeroline": False},
        "margin": {"l": 8, "r": 26, "t": 6, "b": 8},
        **_epochs(epochs),
    }
    if with_rate:
        layout["xaxis"]["anchor"] = "y2"
        layout["yaxis"]["domain"] = [0.34, 1]
        rate = {"domain": [0, 0.22], "tickformat": ".0e", "rangemode": "tozero", "nticks": 3, "zeroline": False}
        layout["yaxis2"] = rate
    return layout


def loss_curve(
    points: Sequence[LossPoint],
    *,
    total_steps: int | None = None,
    epochs: Sequence[tuple[int, str]] = (),
    words: LossWords | None = None,
) -> Chart:
    """Loss as logged, smoothed over it, evaluation loss as diamonds, the learning rate below (Figure 5-2).

    `epochs` are (first step, name); `total_steps` leaves room for what a running training has not reached. Values
    that are not finite are left out of the figure and stay in the table. Points are put in order of their steps.
    """
    w = words or LossWords()
    ordered = sorted(points, key=lambda p: p.step)
    loss = [(p.step, y) for p in ordered if (y := finite(p.loss)) is not None]
    held_out = [(p.step, y) for p in ordered if (y := finite(p.eval_loss)) is not None]
    rate = [(p.step, y) for p in ordered if (y := finite(p.learning_rate)) is not None]
    smoothed = smooth([y for _, y in loss], max(1, len(loss) // 45))
    hover = f"{escape(w.step)} %{{x}}<br>"
    diamonds = {"size": 9, "symbol": "diamond-open", "color": "@--series-paper", "line": {"width": 2}}
    data = [
        _line(loss, {"width": 1, "color": "@--accent-line"}, f"{hover}{escape(w.loss)} %{{y:.3f}}<extra></extra>"),
        _line([(x, y) for (x, _), y in zip(loss, smoothed, strict=True)], {"width": 2.2, "color": "@--accent"}, None),
        _line(held_out, {}, f"{hover}{escape(w.eval_loss)} %{{y:.3f}}<extra></extra>", mode="markers", marker=diamonds),
        _line(
            rate,
            {"width": 1.6, "color": "@--series-base"},
            f"{hover}{escape(w.learning_rate)} %{{y:.2e}}<extra></extra>",
            yaxis="y2",
        ),
    ]
    layout = _loss_layout(max([total_steps or 0, *(p.step for p in ordered)]), bool(rate), epochs, w.axis)
    figure = {"data": [trace for trace in data if trace["x"]], "layout": layout, "narrow": {"xaxis": {"nticks": 4}}}
    rows = tuple((p.step, p.loss, p.eval_loss, p.learning_rate) for p in ordered)
    return Chart(figure, Table((w.step, w.loss, w.eval_loss, w.learning_rate), rows))
