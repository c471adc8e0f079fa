"""What all rows of a run would take, from a few that were asked: calls, tokens, money and time. Plain numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PER = 1_000_000  # tokens that a price is for
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a row that was asked; `seconds` None when the reply came from the cache, which tells no time."""

    endpoint: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What an endpoint costs and bears: prices per million tokens, None where nobody wrote one; the calls and tokens a
    minute that it allows, 0 where no limit is known.
    """

    concurrency: int
    price_in: float | None = None
    price_out: float | None = None
    currency: str = ""
    rpm: float = 0
    tpm: float = 0

    def seconds(self, calls: int, tokens: int, each: float) -> float:
        """How long so many calls of `each` seconds take: as its width or a limit allows, whichever is less."""
        return max(
            calls * each / self.concurrency,
            MINUTE_S * calls / self.rpm if self.rpm else 0.0,
            MINUTE_S * tokens / self.tpm if self.tpm else 0.0,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """What one endpoint would do for the whole run; `cost` None without prices, `seconds` None without a timed call."""

    endpoint: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    currency: str
    seconds: float | None


def terms(concurrency: int, options: Mapping[str, Any]) -> Terms:
    """The terms that an endpoint's options state."""
    limits = {name: options.get(name, 0) for name in ("rpm", "tpm")}
    prices = options.get("price_in"), options.get("price_out"), str(options.get("currency", ""))
    return Terms(concurrency, *prices, **limits)


def shares(rows: Sequence[Sequence[Call]], total: int, endpoints: Mapping[str, Terms]) -> list[Share]:
    """One share an endpoint, in the order of their first calls; `rows` are the calls of each row that was asked."""
    if not rows:
        return []
    scale = total / len(rows)
    by_endpoint: dict[str, list[Call]] = {}
    for call in (call for row in rows for call in row):
        by_endpoint.setdefault(call.endpoint, []).append(call)
    return [_share(name, calls, scale, endpoints[name]) for name, calls in by_endpoint.items()]


def _share(name: str, calls: Sequence[Call], scale: float, held: Terms) -> Share:
    number = round(len(calls) * scale)
    prompt = round(sum(call.prompt_tokens for call in calls) * scale)
    completion = round(sum(call.completion_tokens for call in calls) * scale)
    cost = None
    if held.price_in is not None or held.price_out is not None:
        cost = (prompt * (held.price_in or 0.0) + completion * (held.price_out or 0.0)) / PER
    mean = _mean(call.seconds for call in calls)
    seconds = None if mean is None else held.seconds(number, prompt + completion, mean)
    return Share(name, number, prompt, completion, cost, held.currency, seconds)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def duration_s(found: Sequence[Share]) -> float | None:
    """How long the run would take: as long as its slowest endpoint, since the others work meanwhile."""
    return max((share.seconds for share in found if share.seconds is not None), default=None)


def costs(found: Sequence[Share]) -> dict[str, float]:
    """Currency → sum of what has a price."""
    sums: dict[str, float] = {}
    for share in found:
        if share.cost is not None:
            sums[share.currency] = sums.get(share.currency, 0.0) + share.cost
    return sums
