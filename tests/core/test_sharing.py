"""Workers that ask one endpoint keep its limits together."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from madsafe_web.core.llm.base import Shared
from madsafe_web.core.llm.endpoints import endpoint_declare
from madsafe_web.core.llm.openai_compatible import OpenAICompatibleBackend, Policy
from madsafe_web.core.llm.replicas import Replicas
from madsafe_web.core.models import Endpoint, EndpointSharer
from madsafe_web.core.runs import lease, worker
from madsafe_web.core.runs.rows import RowEngine
from madsafe_web.core.runs.sharing import Sharing
from tests.core.test_runs import S, Trap, started, test_stages  # noqa: F401  # a fixture
from tests.factories import make_run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def limited() -> Endpoint:
    return endpoint_declare("limited", {"backend": "rules", "options": {"rpm": 600}})


class Told:
    """An engine that keeps what it is told, instead of asking anybody."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self.endpoints = {row.name: row for row in endpoints}
        self.parts: list[tuple[str, int]] = []

    def share(self, endpoint: str, workers: int) -> None:
        self.parts.append((endpoint, workers))


def sharing(told: Any, owner: str) -> Sharing:
    return Sharing(told, owner)


def sharer(endpoint: Endpoint, owner: str, seconds: float) -> None:
    """Another worker that is taken to live for so many seconds more."""
    EndpointSharer.objects.create(endpoint=endpoint, worker=owner, until=timezone.now() + timedelta(seconds=seconds))


def test_who_is_alone_has_the_whole_limit(limited: Endpoint) -> None:
    told = Told(limited)
    with sharing(told, "a"):
        assert told.parts == [("limited", 1)]


def test_two_workers_have_half_of_it_each_and_one_that_leaves_gives_its_half_back(limited: Endpoint) -> None:
    first, second = Told(limited), Told(limited)
    one = sharing(first, "a")
    with one:
        with sharing(second, "b"):
            one.renew()
        one.renew()
    assert (first.parts, second.parts) == ([("limited", 1), ("limited", 2), ("limited", 1)], [("limited", 2)])
    assert not EndpointSharer.objects.exists()


def test_a_worker_that_was_not_heard_for_a_lease_counts_no_more(limited: Endpoint) -> None:
    told = Told(limited)
    sharer(limited, "living", 3600)
    one = sharing(told, "a")
    with one:
        EndpointSharer.objects.filter(worker="living").update(until=Now() - timedelta(seconds=1))
        one.renew()
    assert told.parts == [("limited", 2), ("limited", 1)]


def test_a_newcomer_forgets_those_that_are_dead(limited: Endpoint) -> None:
    sharer(limited, "dead", -3600)
    with sharing(Told(limited), "a"):
        assert list(EndpointSharer.objects.values_list("worker", flat=True)) == ["a"]


def test_workers_of_another_endpoint_take_nothing_away(limited: Endpoint) -> None:
    told = Told(limited)
    sharer(endpoint_declare("other", {"backend": "rules", "options": {"tpm": 5}}), "b", 3600)
    with sharing(told, "a"):
        assert told.parts == [("limited", 1)]


def test_an_endpoint_without_limits_is_not_noted() -> None:
    free = endpoint_declare("free", {"backend": "rules"})
    with sharing(Told(free), "a"):
        assert not EndpointSharer.objects.exists()


def test_the_heartbeat_renews_it(limited: Endpoint) -> None:
    renewed: list[bool] = []
    lease.Heartbeat(make_run(), "a", lambda: renewed.append(True))._extend()
    assert renewed == [True]


def test_a_run_shares_while_it_is_at_work_and_no_longer(limited: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "endpoint_names", lambda run, declared: ["limited"])
    seen: list[int] = []

    async def look() -> None:
        seen.append(await asyncio.to_thread(EndpointSharer.objects.count))

    Trap.at = {"3": look}
    assert worker.work_on(started().pk).state == S.DONE
    assert (seen, EndpointSharer.objects.count()) == ([1], 0)


def backend(url: str) -> OpenAICompatibleBackend:
    return OpenAICompatibleBackend(url, "m", "", Policy(rpm=60), clock=lambda: 1000.0)


def test_each_server_of_an_endpoint_is_told_the_part() -> None:
    servers = [backend("http://127.0.0.1:9/v1"), backend("http://127.0.0.1:8/v1")]
    made = Replicas(servers)
    assert isinstance(made, Shared)
    made.share(4)
    assert [[round(one._limiter.reserve(0), 3) for _ in range(3)] for one in servers] == [[0.0, 3.9, 7.9]] * 2


def test_the_engine_tells_its_backends_in_their_loop_and_those_without_limits_nothing() -> None:
    called: list[tuple[Any, ...]] = []
    loop = SimpleNamespace(call_soon_threadsafe=lambda *call: called.append(call))
    served = backend("http://127.0.0.1:9/v1")
    engine: Any = SimpleNamespace(loop=loop, backends={"served": served, "rules": object()})
    RowEngine.share(engine, "served", 3)
    RowEngine.share(engine, "rules", 3)
    assert called == [(served.share, 3)]
