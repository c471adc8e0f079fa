"""A figure as the templates draw it: a chart with its words."""

from __future__ import annotations

from dataclasses import dataclass

from madsafe_web.core.charts.parts import Figure, Table


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of the legend; `mark` is line, circle, diamond, tick or bar, `tone` the name of a colour."""

    mark: str
    tone: str
    label: str


@dataclass(frozen=True, slots=True)
class FigureShown:
    """`id` is unique on its page. `spec` is drawn from the page, `json` from a fragment that is swapped in."""

    id: str
    title: str
    alt: str
    size: str
    table: Table
    spec: Figure | None = None
    json: str = ""
    note: str = ""
    keys: tuple[Key, ...] = ()
    csv_url: str = ""
