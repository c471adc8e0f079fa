"""The uncertain verdicts of an evaluation that is worked through more than once."""

from __future__ import annotations

import pytest

from annotation.models import ReviewItem, Seat
from evaluation import reviewing
from tests.evaluation.test_evaluate_run import planned, write


@pytest.mark.django_db
def test_a_run_that_ends_once_more_queues_only_what_is_new() -> None:
    run, rows = planned(["OFF", "UB"], 2)
    write(run, rows[:4], "uncertain")
    reviewing.review_open(run)
    write(run, rows[4:], "uncertain")
    reviewing.review_open(run)
    assert ReviewItem.objects.count() == Seat.objects.count() == 8
