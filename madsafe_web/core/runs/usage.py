"""What a run used: calls, tokens and their cost, grown on its chunks in the transactions that store replies.

So showing a run never looks at its replies, and no worker waits for another one's counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from django.db.models import F, Sum
from django.utils import timezone

from madsafe_web.core.llm.base import Reply
from madsafe_web.core.llm.prices import price_of
from madsafe_web.core.models import Chunk, Endpoint, Run
from madsafe_web.core.runs import deadline
from madsafe_web.core.runs.budget import Amount, Budget, Limits
from madsafe_web.core.runs.errors import StageError

USED = ("calls", "prompt_tokens", "completion_tokens", "cost")


class Replied(Protocol):
    """A reply that came from an endpoint, as the engine hands it over."""

    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def reply(self) -> Reply: ...


def count(chunk: int, replies: Iterable[Replied]) -> Amount:
    """Add replies to what the run of a chunk used; gives what that is.

    Call it in the transaction that stores them, once for each reply.
    Replies from the cache cost nothing and are not counted. All of them may go to any one chunk that the worker holds.
    """
    sums = dict.fromkeys(USED, 0)
    for one in replies:
        used = used_by(one.endpoint, one.reply)
        sums["calls"] += 1
        sums["prompt_tokens"] += one.reply.prompt_tokens
        sums["completion_tokens"] += one.reply.completion_tokens
        sums["cost"] += used.cost
    if sums["calls"]:
        Chunk.objects.filter(pk=chunk).update(**{name: F(name) + value for name, value in sums.items()})
    return Amount(sums["calls"], sums["prompt_tokens"] + sums["completion_tokens"], sums["cost"])


def used_by(endpoint: Endpoint, reply: Reply) -> Amount:
    """What one reply used of a budget."""
    price = price_of(endpoint)
    cost = price.cost(reply.prompt_tokens, reply.completion_tokens) if price else 0
    return Amount(1, reply.prompt_tokens + reply.completion_tokens, cost)


def waited(chunk: int, refusals: int) -> None:
    """Add answers of the kind "too many requests" (429) to a chunk."""
    if refusals:
        Chunk.objects.filter(pk=chunk).update(throttled=F("throttled") + refusals)


def budget_of(run: Run, endpoints: Iterable[Endpoint]) -> Budget | None:
    """The budget of a run, None where it has no limit and no deadline.

    Notes on the run in which currency its endpoints are priced. Raises StageError for prices in two currencies, and for
    a budget of money without a price to count with.
    """
    prices = {one.name: price_of(one) for one in endpoints}
    currencies = {price.currency for price in prices.values() if price}
    if len(currencies) > 1:
        named = " and ".join(sorted(currencies))
        raise StageError(f"The endpoints of {run} have prices in {named}. Give all in one currency, then resume.")
    currency = min(currencies, default="")
    if currency != run.currency:
        Run.objects.filter(pk=run.pk).update(currency=currency)
    limits = Limits(run.most_calls, run.most_tokens, run.most_cost, run.most_seconds)
    if limits.cost is not None and (free := [name for name, price in prices.items() if not price]):
        raise StageError(
            f"{run} has a budget of money, but endpoint '{free[0]}' has no price. Write price_in, price_out and "
            "currency into its options, or take the budget away, then resume."
        )
    left = deadline.seconds_left(run)
    if limits == Limits() and left is None:
        return None
    late = deadline.sentence(run.deadline) if run.deadline else ""
    return Budget(limits, spent(run), worked_s(run), prices, left=left, late=late)


def worked_s(run: Run) -> float:
    """For how many seconds the run has been at work."""
    since = ((run.rested or timezone.now()) - run.resumed).total_seconds() if run.resumed else 0.0
    return run.worked + max(0.0, since)


def spent(run: Run) -> Amount:
    """What the run used so far, by all workers, in one query."""
    sums = run.chunks.aggregate(**{name: Sum(name) for name in USED})
    found = {name: sums[name] or 0 for name in USED}
    return Amount(found["calls"], found["prompt_tokens"] + found["completion_tokens"], found["cost"])
