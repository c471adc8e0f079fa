"""A figure with its words, as the templates of this app draw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from madsafe_web.core.charts.parts import Chart, Table
from madsafe_web.core.charts.shown import Key

MOST_ROWS = 100
FEW_BARS = 10


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure as the template reads it."""

    id: str
    title: str
    note: str
    alt: str
    chart: Chart
    page: str  # where its CSV is had
    query: str = ""  # what else is asked of that page
    upright: bool = False
    wide: bool = False  # a narrow screen scrolls it
    keys: tuple[Key, ...] = ()

    @property
    def size(self) -> str:
        """A few bars need less height, and so do upright ones."""
        return "bars" if len(self.chart.table.rows) > FEW_BARS and not self.upright else "short"

    @property
    def spec(self) -> dict[str, Any]:
        return self.chart.figure

    @property
    def table(self) -> Table:
        """The first rows: a corpus may have thousands of labels. The CSV has them all."""
        return Table(self.chart.table.columns, self.chart.table.rows[:MOST_ROWS])

    @property
    def csv_url(self) -> str:
        return f"{self.page}?{self.query}{'&' if self.query else ''}csv={self.id}"
