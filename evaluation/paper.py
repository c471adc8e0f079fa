"""The results printed in the paper, as a reference series to draw beside a run of one's own.

"A Method for Enhancing the Safety of Large Model Generation Based on Multi-dimensional Attack and Defense":
Tables 5-1, 5-2, 5-3 and what the text says of Figure 5-3. Nothing here was measured with this software; all rows carry
`MARK`. Figure 5-3 is given as three gains and an average only: gains may be drawn, levels are not known.
"""

from __future__ import annotations

from dataclasses import dataclass

MARK = "reported in the paper"
BASE = "Llama-3.2-1B-Instruct"
TUNED = "Llama-3.2-1B-Instruct-ours"
OTHER = "Llama2-Chinese-chat-7B"


@dataclass(frozen=True, slots=True)
class Reported:
    """One printed number. `value` and `gain` are in the table's own unit: percent, or accuracy 0..1 in Table 5-2."""

    table: str
    model: str
    metric: str
    value: float
    gain: float | None = None
    mark: str = MARK


@dataclass(frozen=True, slots=True)
class Gain:
    """A gain without its levels, in percentage points. `at_least` where the text says "over"."""

    figure: str
    category: str
    points: float
    at_least: bool = False
    mark: str = MARK


def _row(table: str, model: str, metrics: tuple[str, ...], *cells: float | tuple[float, float]) -> tuple[Reported, ...]:
    pairs = [cell if isinstance(cell, tuple) else (cell, None) for cell in cells]
    return tuple(Reported(table, model, m, value, gain) for m, (value, gain) in zip(metrics, pairs, strict=True))


_SAFETYBENCH = ("Avg", "EM", "CIA", "MH", "OFF", "PH", "PP", "UB")
# The row of Llama2-Chinese-chat-7B is as printed; its columns look shifted against the others.
SAFETYBENCH: tuple[Reported, ...] = (
    *_row("5-1", BASE, _SAFETYBENCH, 56.0, 50.6, 61.2, 65.8, 55.2, 50.4, 65.0, 46.7),
    *_row("5-1", OTHER, _SAFETYBENCH, 59.2, 55.2, 65.7, 48.8, 65.8, 59.7, 52.0, 66.4),
    *_row(
        "5-1",
        TUNED,
        _SAFETYBENCH,
        (59.8, 3.8),
        (55.5, 4.9),
        (68.1, 6.9),
        (71.3, 5.5),
        (56.4, 1.2),
        (54.2, 3.8),
        (69.4, 4.4),
        (46.7, 0.0),
    ),
)
# Models whose printed row should be shown with a remark.
SHIFTED_COLUMNS = frozenset({OTHER})

_RULES = ("chatgpt", "chatglm", "moss", "ziya", "chinese_alpaca-7b", "average")
RESPONSIBILITY: tuple[Reported, ...] = (
    *_row("5-2", BASE, _RULES, 0.5754, 0.5754, 0.5765, 0.5759, 0.5771, 0.5761),
    *_row("5-2", TUNED, _RULES, 0.5958, 0.5958, 0.5964, 0.6028, 0.6063, 0.5994),
)

_GENERAL = ("gsm8k", "mmlu", "cmmlu", "ceval", "HumanEval")
GENERAL: tuple[Reported, ...] = (
    *_row("5-3", BASE, _GENERAL, 44.4, 45.60, 37.48, 37.96, 38.41),
    *_row("5-3", TUNED, _GENERAL, (43.90, -0.50), (45.53, -0.07), (37.49, 0.01), (40.49, 2.53), (38.41, 0.00)),
)

NEW_SAFETY: tuple[Gain, ...] = (
    Gain("5-3", "IA", 59),
    Gain("5-3", "OFF", 53),
    Gain("5-3", "MI", 51),
    Gain("5-3", "average", 30, at_least=True),
)


def reported(table: str, model: str, metric: str) -> Reported | None:
    """One printed cell, None where the paper has none. `table` is "5-1", "5-2" or "5-3"."""
    for row in (*SAFETYBENCH, *RESPONSIBILITY, *GENERAL):
        if (row.table, row.model, row.metric) == (table, model, metric):
            return row
    return None


def new_safety_gain(category: str) -> Gain | None:
    """The gain the text gives for a category of Figure 5-3 (or "average"); None for the others."""
    return next((gain for gain in NEW_SAFETY if gain.category == category), None)
