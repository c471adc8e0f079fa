"""Which of two runs' scores of a prompt by one scorer stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.db import connection, transaction
from django.utils import timezone

from annotation.models import Prompt
from annotation.rows import PromptRow
from madsafe_web.core.models import Run
from madsafe_web.core.runs.stage import Outcome, Result
from pipeline.models import Score
from pipeline.scoring import scores_write
from pipeline.values import ScoreValue
from tests.factories import make_endpoint, make_prompt, make_prompts, make_response, make_run
from tests.helpers.installation import wait_until

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def scoring(minutes: int) -> Run:
    """A run that started so many minutes after the others may have."""
    return make_run("perplexity", params={"endpoint": "scorer"}, started=NOW + timedelta(minutes=minutes))


def write(run: Run, prompt: Prompt, value: float | None) -> Result:
    """What comes of one row; None for one that failed."""
    values = None if value is None else (ScoreValue(None, value, {}),)
    return write_all(run, prompt, values)


def write_all(run: Run, prompt: Prompt, values: tuple[ScoreValue, ...] | None) -> Result:
    result = Result(None, Outcome.ERROR, "timeout: none") if values is None else Result(values)
    with transaction.atomic():
        (written,) = scores_write(run, [("1", PromptRow(prompt.pk, prompt.text, "zh"), result)])
    return written


@pytest.fixture(autouse=True)
def scorer() -> None:
    make_endpoint("scorer")


def test_a_row_of_an_older_run_that_is_asked_again_leaves_the_newer_score() -> None:
    older, newer, prompt = scoring(0), scoring(5), make_prompt()
    write(older, prompt, None)
    write(newer, prompt, 2.0)
    written = write(older, prompt, 1.0)
    assert (written.outcome, written.value) == (Outcome.DUPLICATE, None)
    assert list(Score.objects.values_list("run", "value")) == [(newer.pk, 2.0)]


def test_a_row_of_an_older_run_is_scored_where_the_newer_run_failed() -> None:
    older, newer, prompt = scoring(0), scoring(5), make_prompt()
    write(newer, prompt, None)
    assert write(older, prompt, 1.0).outcome == Outcome.DONE
    assert list(Score.objects.values_list("run", "value")) == [(older.pk, 1.0)]


def test_which_run_is_newer_is_told_by_its_start() -> None:
    drafted_first, started_first, prompt = scoring(5), scoring(0), make_prompt()
    write(started_first, prompt, 1.0)
    assert write(drafted_first, prompt, 2.0).outcome == Outcome.DONE
    assert list(Score.objects.values_list("run", "value")) == [(drafted_first.pk, 2.0)]


def test_other_rows_of_the_same_batch_are_scored() -> None:
    older, newer, (known, new) = scoring(0), scoring(5), make_prompts(2)
    write(newer, known, 2.0)
    rows = [
        (str(one.pk), PromptRow(one.pk, one.text, "zh"), Result((ScoreValue(None, 1.0, {}),))) for one in (known, new)
    ]
    assert [one.outcome for one in scores_write(older, rows)] == [Outcome.DUPLICATE, Outcome.DONE]
    assert list(Score.objects.order_by("value").values_list("prompt", "value")) == [(new.pk, 1.0), (known.pk, 2.0)]


def test_a_response_that_the_newer_run_did_not_see_is_scored_by_the_older_one() -> None:
    older, newer, prompt = scoring(0), scoring(5), make_prompt()
    seen, unseen = (make_response(prompt, text).pk for text in ("seen", "unseen"))
    write_all(newer, prompt, (ScoreValue(seen, 0.2, {}),))
    written = write_all(older, prompt, (ScoreValue(seen, 0.1, {}), ScoreValue(unseen, 0.3, {})))
    assert written.outcome == Outcome.DONE
    assert set(Score.objects.values_list("response", "value")) == {(seen, 0.2), (unseen, 0.3)}


@pytest.mark.django_db(transaction=True)
def test_an_older_run_waits_for_a_newer_one_that_writes_the_same_prompt() -> None:
    older, newer, prompt = scoring(0), scoring(5), make_prompt()
    written = Event()

    def write_newer() -> None:
        try:
            with transaction.atomic():
                write(newer, prompt, 2.0)
                written.set()
                if connection.vendor == "postgresql":  # on SQLite the other one cannot have begun to write
                    wait_until(others_wait, what="the older run to wait")
        finally:
            written.set()
            connection.close()

    with ThreadPoolExecutor(1) as beside:
        done = beside.submit(write_newer)
        written.wait()
        stays = write(older, prompt, 1.0)
        done.result()
    assert stays.outcome == Outcome.DUPLICATE
    assert list(Score.objects.values_list("run", "value")) == [(newer.pk, 2.0)]


def others_wait() -> bool:
    """Whether another connection to PostgreSQL waits for a lock of this one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        return bool(cursor.fetchone()[0])


def test_a_score_that_a_fallback_gave_names_its_endpoint_and_model() -> None:
    make_endpoint("other", model="large")
    prompt = make_prompt()
    given = Result((ScoreValue(None, 1.0, {"answered_by": ["other"]}),))
    scores_write(scoring(0), [("1", PromptRow(prompt.pk, prompt.text, "zh"), given)])
    score = Score.objects.get()
    assert (score.detail, score.scorer.partition(":")[0]) == ({"answered_by": "other / large"}, "scorer")
