"""What every figure is made of: the figure with its table twin, and text made safe for Plotly and for spreadsheets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from madsafe_web.core.textio import csv_line

# Any: Plotly's own open schema of nested dictionaries, lists and scalars.
Figure = dict[str, Any]
Cell = str | int | float | None

_LABEL_LENGTH = 40
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "{": "&#123;"})


@dataclass(frozen=True, slots=True)
class Table:
    """The figure's numbers in reading order, for the page's <details> and the CSV."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_csv(self) -> str:
        """RFC 4180 text. A text cell that a spreadsheet would take for a formula gets a quote in front."""
        return "".join(csv_line(row) for row in (self.columns, *self.rows))


@dataclass(frozen=True, slots=True)
class Chart:
    figure: Figure
    table: Table


def escape(text: str) -> str:
    """Text as Plotly shows it literally: it parses some HTML, `%{...}` in hover texts, and we resolve a leading "@"."""
    safe = " ".join(text.split()).translate(_ENTITIES)
    return "&#64;" + safe[1:] if safe.startswith("@") else safe


def axis_labels(names: Sequence[str]) -> list[str]:
    """Axis labels: clipped, escaped, and distinct, since Plotly puts equal labels on one line."""
    seen: dict[str, int] = {}
    labels = []
    for name in names:
        flat = " ".join(name.split())
        short = flat if len(flat) <= _LABEL_LENGTH else flat[: _LABEL_LENGTH - 1] + "…"
        seen[short] = seen.get(short, 0) + 1
        labels.append(escape(short if seen[short] == 1 else f"{short} ({seen[short]})"))
    return labels


def finite(value: float | None) -> float | None:
    """JSON has no NaN or infinity: such a value is a gap in the figure."""
    return value if value is not None and math.isfinite(value) else None
