"""What the page of a dry run shows, from what the run kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from madsafe_web.core.models import Run
from madsafe_web.core.runs.pages import duration


@dataclass(frozen=True, slots=True)
class ShareLine:
    """What one endpoint would do; `cost` and `time` "" where they are not known."""

    endpoint: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: str
    time: str


@dataclass(frozen=True, slots=True)
class DryShown:
    """The rows as they were kept, the number of each outcome, and the estimate for the whole run."""

    total: int
    rows: list[dict[str, Any]]
    outcomes: list[tuple[str, int]]
    shares: list[ShareLine]
    cost: str
    time: str


def dry_shown(run: Run) -> DryShown | None:
    """None while there is nothing to show, and after what it showed was withdrawn."""
    kept = run.outputs
    if "rows" not in kept:
        return None
    shares = [
        ShareLine(
            one["endpoint"],
            one["calls"],
            one["prompt_tokens"],
            one["completion_tokens"],
            "" if one["cost"] is None else money(one["cost"], one["currency"]),
            length(one["seconds"]),
        )
        for one in kept["shares"]
    ]
    cost = " + ".join(money(value, currency) for currency, value in sorted(kept["costs"].items()))
    outcomes = Counter(row["outcome"] for row in kept["rows"]).most_common()
    return DryShown(kept["total"], kept["rows"], outcomes, shares, cost, length(kept["seconds"]))


def money(value: float, currency: str) -> str:
    """An amount to two decimals, small ones to four."""
    return f"{value:,.2f} {currency}".strip() if value >= 1 or value == 0 else f"{value:.4f} {currency}".strip()


def length(seconds: float | None) -> str:
    return "" if seconds is None else duration(timedelta(seconds=seconds))
