"""What a run used: counted with the replies, priced by their endpoint, kept within the budget of the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from madsafe_web.core.llm import endpoints
from madsafe_web.core.llm.base import Call, Message, Reply
from madsafe_web.core.llm.endpoints import CallKeys
from madsafe_web.core.models import Chunk, Endpoint, Run
from madsafe_web.core.runs import rows, service, stages, usage, worker
from madsafe_web.core.runs.budget import Amount
from madsafe_web.core.runs.drafts import run_budget
from madsafe_web.core.runs.progress import progress
from madsafe_web.core.runs.stage import Ask, Result, RowStage
from tests.core.test_budget import Limits
from tests.factories import make_endpoint, make_run

pytestmark = pytest.mark.django_db(transaction=True)
S = Run.State
PRICED = {"price_in": 2.0, "price_out": 3.0, "currency": "CNY"}


@dataclass(frozen=True, slots=True)
class Params:
    endpoint: str = "served"
    rows: int = 20


class Served:
    """A model that answers at once: ten tokens in, four out."""

    offline_rules = False
    calls = 0

    async def complete(self, call: Call) -> Reply:
        Served.calls += 1
        return Reply("ok", prompt_tokens=10, completion_tokens=4)

    async def close(self) -> None: ...


def plan(run: Run) -> list[str]:
    return [str(number) for number in range(run.params["rows"])]


def fetch(run: Run, keys: list[str]) -> list[tuple[str, str]]:
    return [(key, key) for key in keys]


async def process(row: str, values: Params, context: None, ask: Ask) -> Result:
    await ask(values.endpoint, called(row))
    return Result(row)


def called(row: str) -> Call:
    return Call("instruction_safety.en", "0" * 64, {}, (Message("user", row),))


def write(run: Run, found: list[tuple[str, str, Result]]) -> list[Result]:
    return [result for _, _, result in found]


PLACE = {name: f"{__name__}:{name}" for name in ("plan", "fetch", "write")}
STAGE = RowStage(name="asking", params=Params, process=process, rows_per_chunk=10, **PLACE)


@pytest.fixture(autouse=True)
def asking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stages, "stages", lambda: {"asking": STAGE})
    monkeypatch.setattr(rows, "backend_for", lambda row: Served())
    Served.calls = 0
    yield


def asked(limits: Limits | None = None, **options: Any) -> Run:
    """A run of 20 rows, worked on until it rests."""
    make_endpoint(options=options)
    run = service.run_create(stage_name="asking", values={})
    assert run_budget(run=run, limits=limits or Limits(), user=None)
    assert service.run_start(run)
    return worker.work_on(run.pk)


def test_calls_and_tokens_are_counted_with_the_replies() -> None:
    run = asked()
    now = progress(run)
    assert (run.state, now.calls, now.prompt_tokens, now.completion_tokens) == (S.DONE, 20, 200, 80)
    assert usage.spent(run) == Amount(20, 280, 0)


def test_the_cost_is_that_of_the_price_of_the_endpoint() -> None:
    run = asked(**PRICED)
    run.refresh_from_db()
    assert (progress(run).cost, run.currency) == (20 * (10 * 2 + 4 * 3), "CNY")


def test_what_comes_from_the_cache_costs_nothing() -> None:
    asked(**PRICED)
    again = service.run_create(stage_name="asking", values={})
    service.run_start(again)
    again = worker.work_on(again.pk)
    assert (again.state, usage.spent(again), Served.calls) == (S.DONE, Amount(), 20)


def test_another_price_asks_nothing_anew() -> None:
    keys = {CallKeys(Endpoint(options=options)).key(called("1")) for options in ({}, PRICED, {**PRICED, "price_in": 9})}
    assert len(keys) == 1


@pytest.mark.parametrize("limits", [Limits(calls=7), Limits(tokens=600), Limits(cost=1700)])
def test_a_run_stops_at_its_budget_and_goes_on_with_a_higher_one(limits: Limits) -> None:
    run = asked(limits, **PRICED)
    assert run.state == S.OVER_BUDGET and run.error.startswith("The budget of ")
    used, done = usage.spent(run), service.counts(run)["kept"]
    assert not limits.passed(used) and 0 < used.calls < 20 and done <= used.calls
    assert run_budget(run=run, limits=Limits(), user=None)
    assert service.run_start(run)
    run = worker.work_on(run.pk)
    assert (run.state, service.counts(run)["kept"], Served.calls) == (S.DONE, 20, 20)


def test_a_run_whose_budget_is_still_spent_rests_again() -> None:
    run = asked(Limits(calls=7))
    service.run_start(run)
    assert worker.work_on(run.pk).state == S.OVER_BUDGET
    assert Served.calls == 7


def test_a_budget_of_money_needs_a_price() -> None:
    run = asked(Limits(cost=1))
    assert run.state == S.FAILED and "has no price" in run.error and Served.calls == 0


def test_the_time_of_work_leaves_out_the_time_of_rest() -> None:
    run = asked(Limits(seconds=0))
    assert run.state == S.OVER_BUDGET
    before = usage.worked_s(run)
    service.run_start(run)
    run.refresh_from_db()
    assert usage.worked_s(run) == pytest.approx(before)


def test_refusals_for_too_many_requests_are_added_up() -> None:
    run = make_run()
    chunk = Chunk.objects.create(run=run, seq=0, subjects=[])
    for refusals in (2, 0, 3):
        usage.waited(chunk.pk, refusals)
    assert progress(run).throttled == 5


@pytest.mark.parametrize(
    "options",
    [
        {"price_in": 1.0},
        {"currency": "CNY"},
        {"price_in": -1, "currency": "CNY"},
        {"price_in": True, "currency": "CNY"},
        {"price_out": "1", "currency": "CNY"},
        {"price_in": 1, "currency": "yuan"},
    ],
)
def test_a_price_that_cannot_be_counted_with_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Endpoint(name="priced", backend=endpoints.RULES, options=options).clean()
