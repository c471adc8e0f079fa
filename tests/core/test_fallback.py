"""What a provider refuses is asked of the endpoint's fallback, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from django.core.exceptions import ValidationError

from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import Call, CallError, Reply, Sampling
from madsafe_web.core.llm.endpoints import endpoint_declare
from madsafe_web.core.models import Endpoint, Generation, RowTrail, Run
from madsafe_web.core.runs import chain, refused_pages, rows, service, stages, usage
from madsafe_web.core.runs.budget import Amount, Limits
from madsafe_web.core.runs.drafts import run_budget
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.retrying import run_retry
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage
from madsafe_web.core.runs.trying_rows import Notes
from madsafe_web.core.runs.worker import work_on
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)
S = Run.State
ROWS = 12
REFUSED = {"0", "3", "7"}


@dataclass(frozen=True, slots=True)
class Params:
    endpoint: str = "first"


class Provider:
    """Answers at once, and refuses some rows; ten tokens in, four out. `error` instead of any answer."""

    offline_rules = False

    def __init__(self, refuses: set[str]) -> None:
        self.refuses, self.asked = refuses, list[str]()
        self.error: CallError | None = None

    async def complete(self, call: Call) -> Reply:
        row = call.inputs["prompt"]
        self.asked.append(row)
        if self.error:
            raise self.error
        refused = row in self.refuses
        return Reply("" if refused else "ok", "content_filter" if refused else "stop", "", 10, 0 if refused else 4)

    async def close(self) -> None: ...


async def process(row: str, params: Params, context: None, ask: Ask) -> Result:
    text = (await ask(params.endpoint, templates.render("label.zh", {"prompt": row}, Sampling()))).text
    return Result(text) if text else Result(None, Outcome.UNPARSED, "Nothing to read.")


async def measured(row: str, params: Params, context: None, ask: Ask) -> Result:
    call = templates.render("label.zh", {"prompt": row}, Sampling())
    text = (await ask(params.endpoint, replace(call, itself=True))).text
    return Result(text) if text else Result(None, Outcome.UNPARSED, "Nothing to read.")


def plan(run: Run) -> list[str]:
    return [str(number) for number in range(ROWS)]


def fetch(run: Run, keys: list[str]) -> list[tuple[str, str]]:
    return [(key, key) for key in keys]


def write(run: Run, given: list[tuple[str, str, Result]]) -> list[Result]:
    return [result for _, _, result in given]


PLACE = {name: f"{__name__}:{name}" for name in ("plan", "fetch", "write")}
STAGE = RowStage(name="rows", params=Params, process=process, **PLACE)


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Provider]]:
    """Endpoint `first`, which refuses three rows, with the fallback `second`, which refuses one of them."""
    make_endpoint("second", model="second")
    make_endpoint("first", fallback="second")
    found = {"first": Provider(REFUSED), "second": Provider({"7"})}
    monkeypatch.setattr(rows, "backend_for", lambda row: found[row.name])
    monkeypatch.setattr(stages, "stages", lambda: {"rows": STAGE})
    yield found


def work(limits: Limits | None = None) -> Run:
    run = service.run_create(stage_name="rows", values={})
    assert run_budget(run=run, limits=limits or Limits(), user=None)
    service.run_start(run)
    return work_on(run.pk)


def test_what_the_provider_refuses_is_answered_by_the_fallback(providers: dict[str, Provider]) -> None:
    run = work()
    assert (run.state, service.counts(run)["kept"]) == (S.DONE, ROWS - 1)
    assert sorted(providers["second"].asked) == sorted(REFUSED)
    assert len(providers["first"].asked) == ROWS


def test_a_row_that_the_fallback_refuses_too_ends_as_refused(providers: dict[str, Provider]) -> None:
    ended = work().rows.exclude(outcome="done").get()
    assert (ended.subject, ended.outcome) == ("7", "provider_refused")


def test_the_reply_of_the_fallback_is_stored_as_its_own(providers: dict[str, Provider]) -> None:
    work()
    held = Generation.objects.filter(endpoint__name="second").values_list("finish", flat=True)
    assert sorted(held) == ["content_filter", "stop", "stop"]
    assert Generation.objects.filter(endpoint__name="first").count() == ROWS


def test_which_endpoint_answered_is_kept_with_the_row(providers: dict[str, Provider]) -> None:
    work()
    held = RowTrail.objects.order_by("subject").values_list("subject", "refused_by", "answered_by")
    assert list(held) == [("0", "first", "second"), ("3", "first", "second"), ("7", "first", "")]


def test_rows_that_were_answered_at_once_leave_no_trail(providers: dict[str, Provider]) -> None:
    providers["first"].refuses = set()
    work()
    assert not RowTrail.objects.exists()


def test_a_second_run_finds_refusals_and_answers_in_the_cache(providers: dict[str, Provider]) -> None:
    work()
    second = work()
    assert service.counts(second)["kept"] == ROWS - 1
    assert (len(providers["first"].asked), len(providers["second"].asked)) == (ROWS, len(REFUSED))


def test_calls_of_the_fallback_are_used_and_priced_as_its_own(providers: dict[str, Provider]) -> None:
    prices = {"price_in": 1.0, "price_out": 1.0, "currency": "CNY"}
    Endpoint.objects.filter(name="first").update(options=prices)
    Endpoint.objects.filter(name="second").update(options={**prices, "price_in": 100.0, "price_out": 100.0})
    run = work(Limits(cost=10**9))
    first, second = 10 * ROWS + 4 * (ROWS - 3), 100 * (10 * 3 + 4 * 2)
    assert usage.spent(run) == Amount(ROWS + 3, 10 * (ROWS + 3) + 4 * (ROWS - 1), first + second)


def test_a_budget_of_money_needs_a_price_of_the_fallback_too(providers: dict[str, Provider]) -> None:
    Endpoint.objects.filter(name="first").update(options={"price_in": 1.0, "currency": "CNY"})
    assert "endpoint 'second' has no price" in work(Limits(cost=10**9)).error


def test_the_fallback_of_a_fallback_is_asked_last(providers: dict[str, Provider]) -> None:
    make_endpoint("third", model="third")
    providers["third"] = Provider(set())
    Endpoint.objects.filter(name="second").update(fallback="third")
    assert service.counts(work())["kept"] == ROWS
    assert providers["third"].asked == ["7"]


def test_a_circle_that_came_past_the_checks_ends(providers: dict[str, Provider]) -> None:
    Endpoint.objects.filter(name="second").update(fallback="first")
    assert work().rows.get(subject="7").outcome == "provider_refused"


def test_an_error_of_the_fallback_is_the_error_of_the_row(providers: dict[str, Provider]) -> None:
    providers["second"].error = CallError("timeout", "no answer in 60 s")
    assert set(work().rows.filter(subject__in=REFUSED).values_list("error_class", flat=True)) == {"timeout"}


def test_a_row_whose_fallback_fails_counts_as_refused(providers: dict[str, Provider]) -> None:
    providers["second"].error = CallError("timeout", "no answer in 60 s")
    run = work()
    assert set(run.trails.values_list("subject", "refused_by", "answered_by")) == {
        (one, "first", "") for one in REFUSED
    }
    (line,) = refused_pages.by_run(Run.objects.all())
    assert (line.rows, line.refused, line.answered, line.share) == (ROWS, len(REFUSED), 0, 25.0)


def test_a_model_that_is_measured_is_never_answered_for(
    providers: dict[str, Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "stages", lambda: {"rows": replace(STAGE, process=measured)})
    run = work()
    assert run.rows.filter(outcome="provider_refused").count() == len(REFUSED)
    assert providers["second"].asked == []


def test_a_fallback_that_is_named_later_answers_the_refused_rows_when_they_are_retried(
    providers: dict[str, Provider],
) -> None:
    Endpoint.objects.filter(name="first").update(fallback="")
    run = work()
    assert service.counts(run)["failed"] == len(REFUSED)
    Endpoint.objects.filter(name="first").update(fallback="second")
    run_retry(run=run, user=None, kind="provider_refused")
    assert service.counts(work_on(run.pk))["failed"] == 1
    assert len(providers["first"].asked) == ROWS  # a refusal is never asked of the same provider again


@pytest.mark.parametrize("fallback", ["first", "second", "nobody"])
def test_a_fallback_that_leads_back_or_nowhere_is_refused(fallback: str) -> None:
    make_endpoint("first")
    make_endpoint("second", fallback="first")
    endpoint = Endpoint.objects.get(name="first")
    endpoint.fallback = fallback
    with pytest.raises(ValidationError):
        endpoint.full_clean()


def declared(**fallbacks: str) -> chain.Chain:
    served = {"backend": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}
    endpoints = {name: {**served, "fallback": fallback} for name, fallback in fallbacks.items()}
    return chain.Chain("c", "c-1", endpoints, ())


def test_a_chain_may_name_a_fallback_that_it_declares_below() -> None:
    chain.prepare(declared(one="two", two="three", three=""))
    assert dict(Endpoint.objects.values_list("name", "fallback")) == {"one": "two", "two": "three", "three": ""}


def test_a_chain_with_fallbacks_in_a_circle_is_refused() -> None:
    with pytest.raises(ConfigError, match="leads back"):
        chain.prepare(declared(one="two", two="one"))


def test_a_fallback_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="There is no endpoint 'gone'"):
        endpoint_declare("one", {"backend": "tiny_llama", "fallback": "gone"})


def test_a_dry_run_shows_the_refusal_and_the_answer_of_the_fallback(
    providers: dict[str, Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes(process)
    monkeypatch.setattr(stages, "stages", lambda: {"rows": replace(STAGE, process=notes.process)})
    monkeypatch.setattr(f"{__name__}.fetch", lambda run, keys: [(key, held.setdefault(key, f"{key}")) for key in keys])
    held: dict[str, str] = {}
    work()
    asked = [(one.endpoint, one.reply.finish, one.seconds is None) for one in notes.of(held["3"])]
    assert asked == [("first", "content_filter", True), ("second", "stop", False)]
