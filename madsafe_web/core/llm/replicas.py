"""Several servers of the same model under one endpoint: the least busy one is asked, a dead one rests for a while.

Endpoint options: `replicas`, base URLs beside its own; `replica_rest`, seconds until a dead one is tried again.
Each server is asked by a backend of its own, so the guard on addresses, retries and slow-downs are those of one server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from madsafe_web.core.llm.base import OF_THE_SERVER, Backend, Call, CallError, EndpointDown, Patient, Reply, Shared

REST_S = 30.0
# Errors that any other server would give too: of the key, the model, the request. All others may be of one server only.
OF_THE_ENDPOINT = frozenset({"unauthorized", "not_found", "redirected", "refused", "bad_request", "too_large"})


class Server(Backend, Protocol):
    """A backend that gives a call up early where others could answer it."""

    async def complete(self, call: Call, *, others: bool = False) -> Reply: ...


@dataclass(slots=True)
class Replica:
    """One server: how many calls are with it, and until when it rests (by the monotonic clock)."""

    backend: Server
    busy: int = 0
    rests_until: float = 0.0


class Replicas:
    """A backend over several ones. Lives in one event loop, as they do."""

    offline_rules = False

    def __init__(
        self, backends: Sequence[Server], rest_s: float = REST_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._replicas = [Replica(backend) for backend in backends]
        self._rest_s, self._clock = rest_s, clock

    async def complete(self, call: Call) -> Reply:
        """Answer by the least busy server that is up; each is asked at most once.

        Raises what the last of them raised, or at once what no other server would answer differently.
        """
        left = list(self._replicas)
        while True:
            one = self._next(left)
            left.remove(one)
            one.busy += 1
            try:
                reply = await one.backend.complete(call, others=bool(left))
            except CallError as error:
                if error.kind in OF_THE_ENDPOINT:
                    raise
                if isinstance(error, EndpointDown) or error.kind in OF_THE_SERVER:
                    one.rests_until = self._clock() + self._rest_s
                if not left:
                    raise
            else:
                one.rests_until = 0.0
                return reply
            finally:
                one.busy -= 1

    @property
    def refusals(self) -> int:
        """See `Patient`."""
        return sum(one.backend.refusals for one in self._replicas if isinstance(one.backend, Patient))

    def share(self, workers: int) -> None:
        """See `Shared`."""
        for one in self._replicas:
            if isinstance(one.backend, Shared):
                one.backend.share(workers)

    def give_up_waiting(self) -> None:
        """See `Patient`."""
        for one in self._replicas:
            if isinstance(one.backend, Patient):
                one.backend.give_up_waiting()

    async def close(self) -> None:
        for one in self._replicas:
            await one.backend.close()

    def _next(self, left: Sequence[Replica]) -> Replica:
        """Of those that are up the least busy, else the one that has rested the longest."""
        now = self._clock()
        up = [one for one in left if one.rests_until <= now]
        return min(up, key=lambda one: one.busy) if up else min(left, key=lambda one: one.rests_until)
