"""Reads the loss curve that LLaMA-Factory writes line by line while it trains (trainer_log.jsonl)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

LINE_START = b'{"current_steps"'


@dataclass(frozen=True, slots=True)
class LossPoint:
    """One logged optimiser step: 1 <= step <= total; loss in nats per token (may be NaN); epoch counts from 0."""

    step: int
    total: int
    loss: float
    lr: float
    epoch: float


def read(path: Path, offset: int = 0) -> tuple[list[LossPoint], int]:
    """The points after byte `offset`, by step, and the offset to go on from.

    A last line without its newline is left for the next call. A resumed run logs some steps again: the last one counts,
    here and for the caller, who stores points by step. A file shorter than `offset` was begun anew and is read from 0.
    """
    if not path.is_file():
        return [], 0
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = offset if offset <= size else 0
        file.seek(start)
        whole, newline, _ = file.read().rpartition(b"\n")
    points = {point.step: point for line in whole.split(b"\n") if (point := _point(line)) is not None}
    return [points[step] for step in sorted(points)], start + len(whole) + len(newline)


def _point(line: bytes) -> LossPoint | None:
    """None for the closing line, which has no loss, and for what a kill left unreadable."""
    # A writer killed within a line is followed, on that line, by what the resumed run writes first.
    at = line.rfind(LINE_START)
    if at < 0:
        return None
    try:
        record = json.loads(line[at:])
        return LossPoint(
            step=int(record["current_steps"]),
            total=int(record["total_steps"]),
            loss=float(record["loss"]),
            lr=float(record["lr"]),
            epoch=float(record["epoch"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
