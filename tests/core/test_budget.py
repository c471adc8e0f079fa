"""The budget of a run: what is reserved, settled and given back, and when the run is over it."""

from __future__ import annotations

import asyncio

import pytest

from madsafe_web.core.llm.base import Call, CallError, Message, Reply, Sampling
from madsafe_web.core.llm.prices import Price
from madsafe_web.core.runs.budget import AROUND_MESSAGE, Amount, Budget, Limits, OverBudget, most_of

NOTHING = Amount()
ONE = Amount(1, 100, 50)
CALL = Call("t", "0" * 64, {}, (Message("user", "four"),), Sampling(max_tokens=10))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Model:
    """Answers when it is let; counts how many calls are in flight at most."""

    offline_rules = False

    def __init__(self, reply: Reply | Exception) -> None:
        self.reply, self.calls, self.inside, self.most = reply, 0, 0, 0

    async def complete(self, call: Call) -> Reply:
        self.calls += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0)
        self.inside -= 1
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply

    async def close(self) -> None: ...


def budget(spent: Amount = NOTHING, **limits: int) -> Budget:
    return Budget(Limits(**limits), spent)


@pytest.mark.parametrize("limit", [{"calls": 2}, {"tokens": 250}, {"cost": 149}])
def test_what_is_in_flight_counts_until_it_ends(limit: dict[str, int]) -> None:
    kept = budget(**limit)
    assert [kept.reserve(ONE) for _ in range(3)] == [True, True, False]
    kept.release(ONE)
    assert kept.reserve(ONE)


def test_what_was_used_is_settled_instead_of_what_was_reserved() -> None:
    kept = budget(tokens=200)
    assert kept.reserve(ONE)
    kept.settle(ONE, Amount(1, 20, 10))
    assert (kept.spent, kept.reserved) == (Amount(1, 20, 10), Amount())


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"calls": 5}, "The budget of calls is spent: 5 of 5 are used"),
        ({"tokens": 520}, "The budget of tokens is spent: 500 of 520 are used"),
        ({"cost": 2_500_010}, "The budget of money is spent: 2.5 of 2.50001 are used"),
    ],
)
def test_a_rest_too_small_for_one_call_ends_the_run(limit: dict[str, int], words: str) -> None:
    with pytest.raises(OverBudget, match=words):
        budget(Amount(5, 500, 2_500_000), **limit).reserve(ONE)


def test_the_sentence_says_what_to_do() -> None:
    with pytest.raises(OverBudget, match="Raise the budget on the page of the run, then resume"):
        budget(calls=0).reserve(ONE)


def test_the_time_counts_what_was_worked_before() -> None:
    clock = Clock()
    kept = Budget(Limits(seconds=100), Amount(), worked=60.0, clock=clock)
    assert kept.reserve(ONE)
    clock.now = 40.0
    with pytest.raises(OverBudget, match="100 seconds"):
        kept.reserve(ONE)


def test_what_other_workers_used_is_learnt_and_nothing_is_forgotten() -> None:
    kept = budget(Amount(3, 30, 0), calls=10)
    kept.learn(Amount(2, 50, 7))
    assert kept.spent == Amount(3, 50, 7)


def test_without_limits_everything_is_reserved() -> None:
    assert all(budget().reserve(Amount(10**9, 10**9, 10**9)) for _ in range(3))


def test_the_most_of_a_call_is_its_bytes_and_its_longest_reply() -> None:
    most = most_of(CALL, Price(2.0, 3.0, "CNY"))
    prompt = 4 + AROUND_MESSAGE
    assert most == Amount(1, prompt + 10, 2 * prompt + 30)


def test_calls_wait_for_those_in_flight_and_none_is_sent_over_the_budget() -> None:
    model = Model(Reply("ok", prompt_tokens=4, completion_tokens=1))
    kept = budget(tokens=2 * most_of(CALL, None).tokens)

    async def ask() -> list[Reply | BaseException]:
        return await asyncio.gather(*(kept.spend("e", CALL, model) for _ in range(20)), return_exceptions=True)

    found = asyncio.run(ask())
    answered = [one for one in found if isinstance(one, Reply)]
    assert model.most == 2 and model.calls == len(answered)
    assert kept.spent == Amount(len(answered), 5 * len(answered), 0)
    assert all(isinstance(one, OverBudget) for one in found if not isinstance(one, Reply))
    assert kept.reserved == Amount()


def test_a_call_that_fails_gives_its_part_back() -> None:
    kept = budget(calls=1)
    with pytest.raises(CallError):
        asyncio.run(kept.spend("e", CALL, Model(CallError("timeout", "no answer"))))
    assert (kept.spent, kept.reserved) == (Amount(), Amount())


def test_a_call_that_waited_for_the_budget_is_not_sent_after_a_stop() -> None:
    kept, model = budget(calls=1), Model(Reply("ok"))
    assert kept.reserve(most_of(CALL, None))

    def stopped() -> None:
        raise RuntimeError("stopped")

    async def main() -> None:
        waiting = asyncio.create_task(kept.spend("e", CALL, model, stopped))
        await asyncio.sleep(0)
        kept.wake()
        with pytest.raises(RuntimeError, match="stopped"):
            await waiting

    asyncio.run(main())
    assert model.calls == 0


def test_a_server_that_does_not_tell_its_tokens_counts_as_the_most_that_its_calls_can_use() -> None:
    price = Price(2.0, 3.0, "CNY")
    kept = Budget(Limits(cost=10**9), NOTHING, prices={"e": price})
    reply = asyncio.run(kept.spend("e", CALL, Model(Reply("ok"))))
    assert (kept.spent, kept.reserved) == (most_of(CALL, price), NOTHING)
    assert (reply.prompt_tokens, reply.completion_tokens) == (4 + AROUND_MESSAGE, 10)  # so that a resume knows it too


def test_the_offline_rules_use_no_tokens() -> None:
    kept, rules = budget(tokens=10**9), Model(Reply("ok"))
    rules.offline_rules = True
    asyncio.run(kept.spend("rules", CALL, rules))
    assert kept.spent == Amount(1)
