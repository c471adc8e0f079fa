from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pipeline.training.log_reader import LossPoint, read


def line(step: int, loss: float = 2.0) -> str:
    record = {"current_steps": step, "total_steps": 9, "loss": loss, "lr": 1e-4, "epoch": step / 3, "percentage": 1.0}
    return json.dumps(record) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "trainer_log.jsonl"


def test_a_log_that_is_not_there_yet_has_no_points(log: Path) -> None:
    assert read(log) == ([], 0)


def test_points_are_read_with_their_numbers(log: Path) -> None:
    log.write_text(line(3, 1.5))
    assert read(log)[0] == [LossPoint(3, 9, 1.5, 1e-4, 1.0)]


def test_reading_goes_on_from_the_offset(log: Path) -> None:
    log.write_text(line(1))
    _, offset = read(log)
    log.write_text(line(1) + line(2))
    points, end = read(log, offset)
    assert [point.step for point in points] == [2]
    assert end == log.stat().st_size


def test_a_torn_last_line_is_left_for_the_next_time(log: Path) -> None:
    log.write_text(line(1) + line(2)[:20])
    points, offset = read(log)
    assert ([point.step for point in points], offset) == ([1], len(line(1)))
    log.write_text(line(1) + line(2))
    assert [point.step for point in read(log, offset)[0]] == [2]


def test_a_step_logged_twice_counts_once_with_its_last_values(log: Path) -> None:
    log.write_text(line(1) + line(2, 5.0) + line(3) + line(2, 4.0) + line(3))
    points, _ = read(log)
    assert [(point.step, point.loss) for point in points] == [(1, 2.0), (2, 4.0), (3, 2.0)]


def test_a_line_cut_by_a_kill_does_not_hide_the_resumed_runs_first_point(log: Path) -> None:
    log.write_text(line(1) + line(2)[:20] + line(2) + line(3))
    assert [point.step for point in read(log)[0]] == [1, 2, 3]


def test_the_closing_line_without_a_loss_is_no_point(log: Path) -> None:
    log.write_text(line(9) + '{"current_steps": 9, "total_steps": 9, "percentage": 100.0}\n')
    assert [point.step for point in read(log)[0]] == [9]


def test_a_log_begun_anew_is_read_from_its_start(log: Path) -> None:
    log.write_text(line(1))
    assert [point.step for point in read(log, 10_000)[0]] == [1]


def test_a_loss_that_is_no_number_is_shown_as_such(log: Path) -> None:
    log.write_text(line(1, math.nan))
    assert math.isnan(read(log)[0][0].loss)
