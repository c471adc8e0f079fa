"""When the next call to a server may go: its limits, what it refused, and whether it answers at all.

No waiting happens here and no clock is read but the one given, so every rule is tested without time. One limiter is
shared by all calls to an endpoint: what one of them is told holds for every other.

- Calls go evenly spaced by `rpm`, and by `tpm` with the tokens they may take; what a call did not use is given back.
  Where several workers ask one endpoint, each keeps to its part of these limits (see core/runs/sharing.py).
- A refusal (429) is a cool-down for all, for as long as the server asked. The rate falls to nine tenths of what went
  through before the first refusal, to eight tenths of itself at each later one, and grows by one hundredth a second.
- After `trip` failures without a success between them, the circuit is open: nothing goes for 2, 4, 8 … seconds, then
  one call a second, until one succeeds. `broken` says that it stayed open too long to go on.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping

PRECISION_S = 0.001  # of a sleep: what is left of a cool-down after it counts as nothing
BURST_S = 0.1  # how far calls may lag behind their even spacing and still catch up
KEPT_FIRST, KEPT = 0.9, 0.8  # of the rate, at the first refusal and at each later one
GROWTH, FAST_GROWTH = 0.01, 1.0  # of the rate, a second; the fast one where no rate is known to be too much
SLOWEST = 1.0  # calls a second
MOST_OPENINGS = 6  # of the circuit one after the other: about two minutes
DURATION = re.compile(r"([\d.]+)(ms|s|m|h|d|)")
SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
REMAINING, RESET, LIMIT = (f"x-ratelimit-{name}-" for name in ("remaining", "reset", "limit"))
LIMITS = frozenset(start + kind for start in (REMAINING, RESET, LIMIT) for kind in ("requests", "tokens"))  # headers


class Limiter:
    """See the module. `rpm` and `tpm` of 0 mean that no limit is known."""

    def __init__(
        self,
        rpm: float = 0,
        tpm: float = 0,
        trip: int = 20,
        backoff: float = 0.5,
        longest_wait: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        self._rpm, self._tpm, self._trip = rpm, tpm, trip
        self._backoff, self._longest = backoff, longest_wait
        self._clock, self._jitter = clock, jitter or random.Random()
        self._sharers = 1
        self._rate = 0.0  # calls a second that the refusals so far leave; 0 before the first
        self._refused_at = 0.0  # the rate that was refused last; 0 while none is known
        self._grown = 0.0
        self._quiet_until = self._call_slot = self._token_slot = 0.0
        self._second, self._now, self._before = 0.0, 0, 0  # successes in this second and the one before
        self._refusals = self._streak = self._openings = 0

    @property
    def open(self) -> bool:
        """Whether the circuit is open: a failure says nothing about the call that met it."""
        return self._streak >= self._trip

    @property
    def broken(self) -> bool:
        return self._openings > MOST_OPENINGS

    def share(self, workers: int) -> None:
        """The limits are those of so many workers together: keep to an equal part."""
        self._sharers = max(1, workers)

    def quiet(self) -> float:
        """Seconds for which no call may go; 0 when they may."""
        left = self._quiet_until - self._clock()
        return left if left > PRECISION_S else 0.0

    def reserve(self, tokens: float) -> float:
        """Take the next place for a call of so many tokens; gives the seconds until it. Look at `quiet` after them."""
        rate = self._allowed()
        if not rate and not self._tpm:
            return self.quiet()
        now = self._clock()
        earliest = max(self._quiet_until, now - BURST_S)
        slot = self._call_slot = max(self._call_slot, earliest)
        self._call_slot += 1 / rate if rate else 0.0
        if self._tpm:
            self._token_slot = max(self._token_slot, earliest)
            slot = max(slot, self._token_slot)
            self._token_slot += self._token_seconds(tokens)
        return max(0.0, slot - now)

    def settle(self, reserved: float, used: float) -> None:
        """Give back what a call reserved and did not use."""
        if self._tpm:
            self._token_slot -= self._token_seconds(reserved - used)

    def _token_seconds(self, tokens: float) -> float:
        return tokens * 60 * self._sharers / self._tpm

    def answered(self) -> None:
        """The server is there: it answered whole, be it with something that is no completion."""
        self._streak = self._openings = 0

    def succeeded(self) -> None:
        self.answered()
        self._refusals = 0
        self._roll()
        self._now += 1

    def refused(self, retry_after: float | None) -> None:
        """The server asked to slow down, for so many seconds where it said so, of which no more than the longest wait
        are kept.
        """
        now = self._clock()
        if now >= self._quiet_until:  # what was under way meanwhile is the same news
            self._refusals += 1
            self._slower()
        self._pause(self._backed_off(self._refusals) if retry_after is None else min(retry_after, self._longest))

    def failed(self) -> None:
        """A call that ended without an answer, or with an error of the server itself."""
        self._streak += 1
        if self.open and not self.quiet():
            self._openings += 1
            self._rate, self._refused_at, self._grown = SLOWEST, 0.0, self._clock()
            self._pause(min(2.0**self._openings, self._longest))

    def heed(self, headers: Mapping[str, str]) -> None:
        """Wait for the next place where the server says that none is left (x-ratelimit-remaining-…: 0)."""
        for kind in ("requests", "tokens"):
            if headers.get(REMAINING + kind) == "0":
                whole = seconds(headers.get(RESET + kind, ""))  # until all places are free again
                places = seconds(headers.get(LIMIT + kind, "")) if kind == "requests" else 0.0
                self._pause(min(whole / max(1.0, places), self._longest))

    def _allowed(self) -> float:
        """Calls a second; 0 for any number."""
        if self._rate:
            self._grow()
        rates = [rate for rate in (self._rate, self._rpm / 60 / self._sharers) if rate]
        return min(rates, default=0.0)

    def _grow(self) -> None:
        now = max(self._clock(), self._quiet_until)
        passed = min(1.0, max(0.0, now - self._grown))
        self._rate *= 1 + passed * (GROWTH if self._refused_at else FAST_GROWTH)
        self._grown = now

    def _slower(self) -> None:
        self._roll()
        if self._rate:
            self._refused_at, self._rate = self._rate, max(SLOWEST, self._rate * KEPT)
        else:
            self._refused_at = self._now + self._before * max(0.0, 1 - (self._clock() - self._second))
            self._rate = max(SLOWEST, self._refused_at * KEPT_FIRST)
        self._grown = self._clock()

    def _roll(self) -> None:
        """Begin to count anew after a second."""
        now = self._clock()
        if now - self._second >= 1:
            self._before = self._now if now - self._second < 2 else 0
            self._second, self._now = now, 0

    def _pause(self, wait: float) -> None:
        self._quiet_until = max(self._quiet_until, self._clock() + wait)

    def _backed_off(self, times: int) -> float:
        """Full jitter: anywhere up to a bound that doubles."""
        return self._jitter.uniform(0.0, min(self._backoff * 2.0 ** min(times, 30), self._longest))


def seconds(text: str) -> float:
    """A duration as the headers give it: `6m0s`, `20ms`, `1.5`; 0 for anything else."""
    try:
        return sum(float(number) * SECONDS[unit] for number, unit in DURATION.findall(text))
    except ValueError:
        return 0.0
