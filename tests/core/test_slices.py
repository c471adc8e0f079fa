"""A budget shared by several workers: what they take together never passes it, and nothing is lost or held for good."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now

from madsafe_web.core.models import BudgetSlice, Chunk, Endpoint, Run
from madsafe_web.core.runs import hand, service, slices, usage, worker
from madsafe_web.core.runs.budget import Amount, Budget, Limits, OverBudget
from madsafe_web.core.runs.drafts import run_budget
from tests.core.test_usage import PRICED, Served, asked, asking  # noqa: F401  # a stage of 20 rows and its endpoint
from tests.factories import make_endpoint, make_run

pytestmark = pytest.mark.django_db(transaction=True)
S = Run.State
NOTHING, ONE = Amount(), Amount(1, 100, 0)
TEN = Limits(calls=10, tokens=1000)


def run_of(*owners: str) -> Run:
    """A run in work, with a chunk in the hands of each worker."""
    run = make_run(state=S.RUNNING)
    for seq, owner in enumerate(owners):
        lease = {"state": Chunk.State.LEASED, "owner": owner, "lease_until": Now() + timedelta(hours=1)}
        Chunk.objects.create(run=run, seq=seq, subjects=[str(seq)], **lease)
    return run


def taken(run: Run, owner: str, need: int, in_use: Amount = NOTHING, limits: Limits = TEN) -> Amount:
    """The slice of a worker with so many calls that wait."""
    waiting = Amount(need, 100 * need, 0)
    return slices.top_up(run, owner, limits, in_use, waiting, ONE if need else NOTHING)[0]


def test_what_two_workers_take_never_passes_the_budget() -> None:
    run = run_of("a", "b")
    assert (taken(run, "a", 7), taken(run, "b", 7)) == (Amount(7, 700), Amount(3, 300))
    assert BudgetSlice.objects.aggregate(calls=Sum("calls"), tokens=Sum("tokens")) == {"calls": 10, "tokens": 1000}


def test_a_worker_that_needs_little_takes_a_part_of_what_is_free() -> None:
    assert taken(run_of("a"), "a", 1, limits=Limits(calls=800)) == Amount(100)


def test_what_is_written_as_used_is_off_the_slice_and_not_free_again() -> None:
    run = run_of("a", "b")
    taken(run, "a", 6)
    Chunk.objects.filter(run=run, owner="a").update(calls=4, prompt_tokens=400)
    slices.used(run, "a", Amount(4, 400))
    assert taken(run, "b", 9) == Amount(4, 400)


def test_a_slice_never_falls_below_nothing() -> None:
    run = run_of("a")
    taken(run, "a", 1)
    slices.used(run, "a", Amount(5, 5000))
    assert BudgetSlice.objects.values_list("calls", "tokens").get() == (0, 0)


@pytest.mark.parametrize("end", ["lease", "chunk"])
def test_the_slice_of_a_killed_worker_is_free_again_with_its_lease(end: str) -> None:
    run = run_of("a", "b")
    taken(run, "a", 8)
    assert taken(run, "b", 8) == Amount(2, 200)
    gone = {"lease_until": Now() - timedelta(seconds=1)} if end == "lease" else {"owner": "", "state": "open"}
    Chunk.objects.filter(run=run, owner="a").update(**gone)
    assert taken(run, "b", 8) == Amount(8, 800)
    assert list(BudgetSlice.objects.values_list("owner", flat=True)) == ["b"]


def test_two_workers_do_not_hold_what_each_other_lacks() -> None:
    run, large = run_of("a", "b"), Amount(1, 80, 0)
    limits = Limits(tokens=100)
    BudgetSlice.objects.create(run=run, owner="a", tokens=60)
    BudgetSlice.objects.create(run=run, owner="b", tokens=40)
    held_a, _ = slices.top_up(run, "a", limits, NOTHING, large, large)  # 60 are too few: it leaves them to the other
    held_b, _ = slices.top_up(run, "b", limits, NOTHING, large, large)
    assert (held_a.tokens, held_b.tokens) == (0, 80)


def test_what_is_in_flight_stays_in_the_slice_when_nothing_more_is_free() -> None:
    run = run_of("a", "b")
    taken(run, "b", 8)
    assert taken(run, "a", 9, in_use=Amount(2, 200)) == Amount(2, 200)


def test_a_call_waits_until_it_is_within_the_slice() -> None:
    kept = Budget(TEN, NOTHING)
    kept.share()
    assert not kept.reserve(ONE) and kept.running_short()
    kept.grant(Amount(2, 200), NOTHING)
    assert [kept.reserve(ONE) for _ in range(3)] == [True, True, False]


def test_while_a_slice_is_taken_nothing_more_is_reserved() -> None:
    kept = Budget(TEN, NOTHING)
    kept.share()
    kept.grant(Amount(5, 500), NOTHING)
    assert kept.reserve(ONE)
    in_use, _, _ = asyncio.run(kept.stand_still())
    assert in_use == ONE and not kept.reserve(ONE)


def test_what_others_used_ends_the_run_when_nothing_is_left() -> None:
    kept = Budget(TEN, NOTHING)
    kept.share()
    kept.grant(NOTHING, Amount(10, 900))
    with pytest.raises(OverBudget, match="10 of 10 are used"):
        kept.reserve(ONE)


def test_a_worker_gives_back_what_it_did_not_use() -> None:
    make_endpoint()
    run = service.run_create(stage_name="asking", values={})
    run_budget(run=run, limits=Limits(calls=1000), user=None)
    service.run_start(run)
    assert worker.work_on(run.pk).state == S.DONE
    assert not BudgetSlice.objects.exists()


def test_a_worker_keeps_to_what_the_others_left_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker holds a slice and uses it up while this one waits."""
    make_endpoint()
    run = service.run_create(stage_name="asking", values={})
    run_budget(run=run, limits=Limits(calls=12), user=None)
    service.run_start(run)
    chunk = run.chunks.order_by("-seq")[0]
    lease = {"state": Chunk.State.LEASED, "owner": "far/1/1.0/1", "lease_until": Now() + timedelta(hours=1)}
    Chunk.objects.filter(pk=chunk.pk).update(**lease)
    BudgetSlice.objects.create(run=run, owner="far/1/1.0/1", calls=5)
    rounds, original = [0], slices.top_up

    def counted(*given: object) -> tuple[Amount, Amount]:
        rounds[0] += 1
        if rounds[0] == 4:
            Chunk.objects.filter(pk=chunk.pk).update(calls=5)
            slices.used(run, "far/1/1.0/1", Amount(5))
        return original(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(slices, "top_up", counted)
    monkeypatch.setattr(slices, "LOOK_S", 0.0)
    run = worker.work_on(run.pk)
    assert (run.state, usage.spent(run).calls, Served.calls) == (S.OVER_BUDGET, 12, 7)


def test_a_worker_without_a_chunk_uses_nothing_more_of_its_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker may take it before this one claims its next chunk."""
    budget_of, following = usage.budget_of, hand.following
    budgets, left = list[Budget](), list[int]()

    def noted(run: Run, endpoints: Iterable[Endpoint]) -> Budget | None:
        budgets.extend(one for one in [budget_of(run, endpoints)] if one)
        return budgets[-1]

    def one_at_a_time(run: Run, owner: str, until: float) -> Chunk | None:
        if run.chunks.filter(state="leased").exists():
            return None
        granted = budgets[-1].granted
        left.append(((granted and granted.calls) or 0) - budgets[-1].own.calls)
        return following(run, owner, until)

    monkeypatch.setattr(usage, "budget_of", noted)
    monkeypatch.setattr(hand, "following", one_at_a_time)
    monkeypatch.setattr(hand, "LOOK_S", 0.0)
    assert asked(Limits(calls=100)).state == S.DONE
    assert left == [0, 0, 0]  # two chunks, and a look for a third


def test_two_workers_at_once_never_pass_the_budget_together() -> None:
    make_endpoint(options=PRICED)
    run = service.run_create(stage_name="asking", values={"rows": 200})
    run_budget(run=run, limits=Limits(calls=50), user=None)
    service.run_start(run)

    def work() -> None:
        worker.work_on(run.pk)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.refresh_from_db()
    assert run.state == S.OVER_BUDGET
    assert 0 < usage.spent(run).calls <= 50 and Served.calls <= 50
    assert not BudgetSlice.objects.exists()
