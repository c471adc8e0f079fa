"""What the loop of a run does between row functions, backends and the writing thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.db import OperationalError

from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Finish, Reply, Sampling
from madsafe_web.core.llm.endpoints import CallKeys, endpoint_declare
from madsafe_web.core.models import Endpoint, Generation, Run
from madsafe_web.core.runs import rows, service, stages
from madsafe_web.core.runs.budget import Amount, Budget, Limits, most_of
from madsafe_web.core.runs.rows import Group, RowEngine
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage
from madsafe_web.core.runs.worker import work_on

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True, slots=True)
class Params:
    endpoint: str = "far"
    near_endpoint: str = "rules"


class Slow:
    """A backend that counts how many calls it has at once."""

    offline_rules = False

    def __init__(self, text: str = "ok") -> None:
        self.finish: Finish = "stop"
        self.error: CallError | None = None
        self.gate: asyncio.Event | None = None
        self.text, self.now, self.most, self.calls = text, 0, 0, 0

    async def complete(self, call: Call) -> Reply:
        self.now, self.calls = self.now + 1, self.calls + 1
        self.most = max(self.most, self.now)
        await (self.gate.wait() if self.gate else asyncio.sleep(0.005))
        self.now -= 1
        if self.error:
            raise self.error
        return Reply(self.text, self.finish, prompt_tokens=1)

    async def close(self) -> None:
        return None


async def process(row: str, params: Params, context: None, ask: Ask) -> Result:
    call = templates.render("label.zh", {"prompt": row}, Sampling())
    text = (await ask(params.endpoint, call)).text
    return Result(text) if text else Result(None, Outcome.UNPARSED)


def plan(run: Run) -> list[str]:
    return [str(number) for number in range(30)]


def fetch(run: Run, keys: list[str]) -> list[tuple[str, str]]:
    return [(key, key) for key in keys]


def write(run: Run, given: list[tuple[str, str, Result]]) -> list[Result]:
    return [result for _, _, result in given]


STAGE = RowStage(
    name="rows",
    params=Params,
    plan=f"{__name__}:plan",
    fetch=f"{__name__}:fetch",
    process=process,
    write=f"{__name__}:write",
)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """An endpoint `far` that takes three calls at once, beside the rules, which take 256."""
    endpoint_declare("far", {"backend": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "concurrency": 3})
    backend = Slow()
    original = rows.backend_for
    monkeypatch.setattr(rows, "backend_for", lambda row: backend if row.name == "far" else original(row))
    monkeypatch.setattr(stages, "stages", lambda: {"rows": STAGE})
    yield backend


def work() -> Run:
    run = service.run_create(stage_name="rows", values={})
    service.run_start(run)
    return work_on(run.pk)


def test_an_endpoint_never_has_more_calls_at_once_than_it_takes(slow: Slow) -> None:
    assert work().state == Run.State.DONE
    assert (slow.most, slow.calls) == (3, 30)


def test_a_second_run_is_answered_from_the_cache(slow: Slow) -> None:
    work()
    assert work().state == Run.State.DONE
    assert slow.calls == 30


def test_replies_of_the_first_release_answer_endpoints_with_options(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    Endpoint.objects.filter(name="far").update(options={"tries": 9})
    with monkeypatch.context() as first:
        first.setattr(CallKeys, "key", CallKeys.former)
        work()
    assert work().state == Run.State.DONE
    assert slow.calls == 30


def test_a_reply_with_half_a_character_is_stored_without_it(slow: Slow) -> None:
    slow.text = "ok \ud83d\0"
    assert work().state == Run.State.DONE
    assert set(Generation.objects.values_list("text", flat=True)) == {"ok ?"}


def test_a_row_whose_error_repeats_half_a_character_of_the_server_is_stored(slow: Slow) -> None:
    slow.error = CallError("bad_request", "It says: \ud83d\0", final=True)
    run = work()
    assert run.state == Run.State.DONE
    assert set(run.rows.values_list("message", flat=True)) == {"bad_request: It says: ?"}


def test_a_run_that_ends_with_half_a_character_of_the_server_says_so(slow: Slow) -> None:
    slow.error = EndpointDown("not_found", "It says: \ud83d\0", final=True)
    run = work()
    assert (run.state, run.error) == (Run.State.FAILED, "It says: ?")
    assert run.events.filter(text="It says: ?").exists()


def test_replies_of_rows_that_were_stopped_are_kept_for_the_cache(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "GROUP_ROWS", 1)
    run = service.run_create(stage_name="rows", values={})
    with RowEngine(STAGE, Params(), None, ["far"]) as engine:
        engine.give(1, fetch(run, plan(run)))
        group = Group()
        while not group:
            group = engine.take()
        left = engine.halt()
    kept = len(group.generated) + len(left.generated)
    assert 0 < kept == slow.calls < 30


def test_a_database_that_is_away_during_a_look_up_ends_the_work_instead_of_holding_it_for_good(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = rows.bulk.found

    def away(model: Any, *rest: Any, **fixed: Any) -> list[tuple[Any, ...]]:
        if model is Generation:
            raise OperationalError("the database is away")
        return there(model, *rest, **fixed)

    with monkeypatch.context() as patched:
        patched.setattr(rows.bulk, "found", away)
        with pytest.raises(OperationalError):
            work()
    run = Run.objects.get()
    assert (run.state, run.rows.count(), slow.calls) == (Run.State.RUNNING, 0, 0)
    assert work_on(run.pk).state == Run.State.DONE


def test_rows_that_wait_for_the_budget_send_no_call_after_a_stop(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "IDLE_WAIT_S", 0.05)
    slow.gate = asyncio.Event()
    run = service.run_create(stage_name="rows", values={})
    call = templates.render("label.zh", {"prompt": "0"}, Sampling())
    with RowEngine(STAGE, Params(), None, ["far"]) as engine:
        engine.budget = Budget(Limits(tokens=most_of(call, None).tokens + 100), Amount())
        engine.give(1, fetch(run, plan(run)))
        while not slow.now:
            engine.take()
        engine.stop = True
        engine.loop.call_soon_threadsafe(slow.gate.set)
        engine.halt()
    assert (slow.calls, engine.error) == (1, None)


def test_a_concurrency_of_none_is_refused() -> None:
    with pytest.raises(Exception, match="greater than or equal to 1"):
        endpoint_declare("none", {"backend": "rules", "concurrency": 0})


@pytest.mark.parametrize(
    ("finish", "outcome", "kind"),
    [
        ("content_filter", "provider_refused", ""),
        ("thinking", "truncated", "thinking_used_up"),
        ("stop", "unparsed", ""),
    ],
)
def test_why_a_reply_held_nothing_is_a_state_of_its_own(slow: Slow, finish: Finish, outcome: str, kind: str) -> None:
    slow.text, slow.finish = "", finish
    run = work()
    assert run.state == Run.State.DONE
    assert set(run.rows.values_list("outcome", "error_class")) == {(outcome, kind)}


def test_the_reason_of_an_earlier_reply_does_not_explain_a_later_one(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def complete(call: Call) -> Reply:
        return Reply("", "stop" if call.sample else "thinking")

    async def twice(row: str, params: Params, context: None, ask: Ask) -> Result:
        for sample in range(2):
            await ask(params.endpoint, templates.render("label.zh", {"prompt": row}, Sampling(), sample))
        return Result(None, Outcome.UNPARSED)

    monkeypatch.setattr(slow, "complete", complete)
    monkeypatch.setattr(stages, "stages", lambda: {"rows": replace(STAGE, process=twice)})
    assert set(work().rows.values_list("outcome", "error_class")) == {("unparsed", "")}


def test_a_refused_row_is_not_asked_again_by_the_next_run(slow: Slow) -> None:
    slow.text, slow.finish = "", "content_filter"
    work()
    assert work().rows.filter(outcome="provider_refused").count() == slow.calls == 30
