"""Rows whose reply was not understood: read again from what is stored, and asked anew where that gives nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Call, CallError, Finish, Reply, Sampling
from madsafe_web.core.models import AuditEvent, Chunk, Endpoint, Generation, RowTrail, Run
from madsafe_web.core.runs import hand, rows, service, stages, trails
from madsafe_web.core.runs.asking import NEEDS_A_CALL
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.retrying import run_reread, run_retry
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage
from madsafe_web.core.runs.worker import work_on
from tests.core.test_fallback import PLACE
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)
S = Run.State
ROWS = 6


@dataclass(frozen=True, slots=True)
class Params:
    endpoint: str = "served"


class Model:
    """Says "no" until it is told to say something else; notes what it was asked."""

    offline_rules = False
    text = "no"
    finish: Finish = "stop"
    error: CallError | None = None
    calls: list[Call] = []

    async def complete(self, call: Call) -> Reply:
        Model.calls.append(call)
        if Model.error:
            raise Model.error
        return Reply(Model.text, Model.finish, "", 10, 4)

    async def close(self) -> None: ...


class Parser:
    """What the stage reads as a result."""

    known: set[str] = {"yes"}
    questions = 1


async def process(row: str, params: Params, context: None, ask: Ask) -> Result:
    for number in range(Parser.questions):
        call = templates.render("label.zh", {"prompt": f"{row} {number}"}, Sampling(seed=7))
        text = (await ask(params.endpoint, call)).text
        if text not in Parser.known:
            return Result(None, Outcome.UNPARSED, "It is no answer.")
    return Result(text)


def plan(run: Run) -> list[str]:
    return [str(number) for number in range(ROWS)]


STAGE = RowStage(name="rows", params=Params, process=process, **{**PLACE, "plan": f"{__name__}:plan"})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run that is done; none of its replies was understood."""
    make_endpoint()
    monkeypatch.setattr(rows, "backend_for", lambda row: Model())
    monkeypatch.setattr(stages, "stages", lambda: {"rows": STAGE})
    Model.calls, Model.text, Model.finish, Parser.known, Parser.questions = [], "no", "stop", {"yes"}, 1
    Model.error = None
    run = service.run_create(stage_name="rows", values={})
    service.run_start(run)
    run = work_on(run.pk)
    assert (run.state, service.counts(run)["failed"]) == (S.DONE, ROWS)
    yield run


def retried(run: Run) -> Run:
    assert run_retry(run=run, user=None) == ROWS
    return work_on(run.pk)


def test_the_reply_of_a_failed_row_is_kept_with_it(run: Run) -> None:
    held = dict(RowTrail.objects.values_list("subject", "reply"))
    assert set(held) == set(plan(run))
    assert set(held.values()) == set(Generation.objects.values_list("call_key", flat=True))


def test_a_retry_reads_what_is_stored_with_the_parser_of_today_first(run: Run) -> None:
    Parser.known = {"yes", "no"}
    assert service.counts(retried(run))["kept"] == ROWS
    assert len(Model.calls) == ROWS


def test_a_retry_asks_anew_where_the_stored_reply_still_gives_nothing(run: Run) -> None:
    Model.text = "yes"
    assert service.counts(retried(run))["kept"] == ROWS
    assert [call.sample for call in Model.calls[ROWS:]] == [1_000_000] * ROWS
    assert {call.sampling.seed for call in Model.calls[ROWS:]} == {8}  # with the same seed it may say the same again


def test_every_retry_asks_for_another_sample(run: Run) -> None:
    for _ in range(2):
        retried(run)
    assert [call.sample for call in Model.calls[2 * ROWS :]] == [2_000_000] * ROWS
    assert Generation.objects.count() == 3 * ROWS
    assert set(RowTrail.objects.values_list("again", flat=True)) == {2}


def test_the_newest_reply_is_the_one_that_is_kept(run: Run) -> None:
    Model.text = "perhaps"
    retried(run)
    keys = RowTrail.objects.values_list("reply", flat=True)
    assert set(Generation.objects.filter(call_key__in=keys).values_list("text", flat=True)) == {"perhaps"}


def test_a_reply_that_was_cut_off_is_asked_anew(run: Run) -> None:
    run.rows.update(outcome="truncated")
    Model.text = "yes"
    assert service.counts(retried(run))["kept"] == ROWS


def test_reading_again_makes_no_call(run: Run) -> None:
    Parser.known = {"yes", "no"}
    assert run_reread(run=run, user=None) == ROWS
    done = work_on(run.pk)
    assert (done.state, service.counts(done)["kept"], len(Model.calls)) == (S.DONE, ROWS, ROWS)
    assert AuditEvent.objects.get(verb="run.reread").facts == {"rows": ROWS}


def test_what_is_still_not_understood_stays_so_when_it_is_read_again(run: Run) -> None:
    run_reread(run=run, user=None)
    done = work_on(run.pk)
    assert (service.counts(done)["failed"], len(Model.calls)) == (ROWS, ROWS)
    assert set(done.rows.values_list("outcome", "message")) == {("unparsed", "It is no answer.")}


def test_a_row_that_needs_another_call_says_so_when_it_is_read_again(run: Run) -> None:
    Parser.known, Parser.questions = {"yes", "no"}, 2
    run_reread(run=run, user=None)
    done = work_on(run.pk)
    assert len(Model.calls) == ROWS
    assert {message for (message,) in done.rows.values_list("message")} == {
        "What is stored was read, but the row needs another call. Retry it."
    }


def test_the_newest_sample_is_the_one_that_is_read_again(run: Run) -> None:
    Model.text = "perhaps"
    retried(run)
    Parser.known = {"perhaps"}
    run_reread(run=run, user=None)
    assert service.counts(work_on(run.pk))["kept"] == ROWS
    assert len(Model.calls) == 2 * ROWS


def test_a_run_with_rows_that_were_never_asked_is_not_read_again(run: Run) -> None:
    run.chunks.update(state=Chunk.State.OPEN)
    Run.objects.filter(pk=run.pk).update(state=S.PAUSED)
    with pytest.raises(StageError, match="not asked yet"):
        run_reread(run=run, user=None)


def test_a_retry_that_no_server_answered_does_not_forget_how_often_a_row_was_asked_anew(run: Run) -> None:
    Model.error = CallError("timeout", "no answer in 60 s")
    assert service.counts(retried(run))["failed"] == ROWS
    Model.error, Model.text = None, "yes"
    assert service.counts(retried(run))["kept"] == ROWS
    assert {call.sample for call in Model.calls[ROWS:]} == {1_000_000}


def test_a_retry_that_no_server_answered_keeps_the_raw_reply(run: Run) -> None:
    held = dict(RowTrail.objects.values_list("subject", "reply"))
    Model.error = CallError("timeout", "no answer in 60 s")
    retried(run)
    assert dict(RowTrail.objects.values_list("subject", "reply")) == held


def test_reading_again_keeps_the_raw_reply_where_the_endpoint_has_changed_since(run: Run) -> None:
    held = dict(RowTrail.objects.values_list("subject", "reply"))
    Endpoint.objects.update(model="another")
    run_reread(run=run, user=None)
    assert set(work_on(run.pk).rows.values_list("message", flat=True)) == {NEEDS_A_CALL.message}
    assert dict(RowTrail.objects.values_list("subject", "reply")) == held


@pytest.mark.parametrize("rest", [{"deadline": Now() - timedelta(hours=1)}, {"most_seconds": 0}])
def test_reading_again_needs_no_time_and_no_deadline(run: Run, rest: dict[str, Any]) -> None:
    Parser.known = {"yes", "no"}
    Run.objects.update(**rest)
    assert run_reread(run=run, user=None) == ROWS
    done = work_on(run.pk)
    assert (done.state, service.counts(done)["kept"], len(Model.calls)) == (S.DONE, ROWS, ROWS)


def test_reading_again_with_the_rules_needs_no_deadline(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "offline_rules", True)  # their replies are not looked up but made anew
    Run.objects.update(deadline=Now() - timedelta(hours=1))
    Model.text = "yes"
    run_reread(run=run, user=None)
    done = work_on(run.pk)
    assert (done.state, service.counts(done)["kept"]) == (S.DONE, ROWS)


def test_a_worker_at_work_knows_which_rows_were_taken_back_since_it_began(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    following, taken = hand.following, list[int]()

    def after_a_retry(*given: Any) -> Chunk | None:
        if not taken:
            Run.objects.update(state=S.DONE)
            taken.append(run_retry(run=run, user=None))
        return following(*given)

    monkeypatch.setattr(hand, "following", after_a_retry)
    Run.objects.update(state=S.RUNNING)
    Model.text = "yes"
    assert (service.counts(work_on(run.pk))["kept"], taken) == (ROWS, [ROWS])


def test_what_was_taken_back_is_read_for_the_rows_of_one_chunk_alone(run: Run) -> None:
    trails.take_back(run, [("0", "unparsed"), ("2", "unparsed")], RowTrail.Once.READ)
    assert {key: one.only_read for key, one in trails.again(run, ["0", "1"]).items()} == {"0": True}


def test_a_run_without_such_rows_is_left_alone(run: Run) -> None:
    run.rows.update(outcome="error", error_class="timeout")
    assert run_reread(run=run, user=None) == 0
    assert Run.objects.get().state == S.DONE


def test_replies_of_other_runs_answer_nothing_where_the_cache_is_not_shared(run: Run) -> None:
    Model.text = "yes"
    alone = service.run_create(stage_name="rows", values={})
    Run.objects.filter(pk=alone.pk).update(shared_cache=False)
    service.run_start(alone)
    alone = work_on(alone.pk)
    assert (service.counts(alone)["kept"], len(Model.calls)) == (ROWS, 2 * ROWS)
    assert Generation.objects.filter(run=alone).count() == ROWS


def test_a_run_alone_still_finds_the_replies_that_it_stored_itself(run: Run) -> None:
    alone = service.run_create(stage_name="rows", values={})
    Run.objects.filter(pk=alone.pk).update(shared_cache=False)
    service.run_start(alone)
    work_on(alone.pk)
    Parser.known = {"no"}
    run_retry(run=alone, user=None)
    assert service.counts(work_on(alone.pk))["kept"] == ROWS
    assert len(Model.calls) == 2 * ROWS
