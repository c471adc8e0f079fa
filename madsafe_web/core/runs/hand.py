"""What one worker has in hand of a run of rows: a few chunks, leased, and which of their rows have not ended.

A chunk is claimed before the rows of the one before it run out, and is done in the transaction that writes its last
row. So the engine never waits at the border of a chunk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction

from madsafe_web.core import logs
from madsafe_web.core.models import Chunk, Run
from madsafe_web.core.runs import lease, service, trails, usage
from madsafe_web.core.runs.errors import LeaseLost, StageError, Stopped
from madsafe_web.core.runs.rows import Finished, Generated, Group, RowEngine
from madsafe_web.core.runs.slices import Slice
from madsafe_web.core.runs.stage import Outcome, Result, RowStage
from madsafe_web.core.runs.stages import point
from madsafe_web.core.runs.storing import Ended, store_outcomes, store_replies, unknown

logger = logging.getLogger(__name__)
GONE = Result(None, Outcome.SKIPPED, "The row no longer exists.")
LOOK_S = 1.0  # how often a worker whose run has no free chunk looks for one while it has rows in hand
STALL_S = 120.0  # no row has ended for so long: the log of the run says so


def following(run: Run, owner: str, deadline: float) -> Chunk | None:
    """A chunk newly claimed; None when time is up, the run was stopped, or nothing is free."""
    if time.monotonic() >= deadline or not Run.objects.filter(pk=run.pk, state__in=service.ACTIVE).exists():
        return None
    chunk = lease.claim(run, owner)
    if chunk and chunk.attempts > settings.RUN_ATTEMPTS:
        lease.release(chunk, owner)
        raise StageError(
            f"Part {chunk.seq} of {run} took {settings.RUN_ATTEMPTS} workers down with it. "
            "What they wrote is kept. Look at the worker's log, then resume."
        )
    return chunk


def ended_rows(run: Run, chunk: Chunk) -> set[str]:
    """The keys of the rows of a chunk that have ended; asks the database only where the chunk counts any."""
    if not chunk.read:
        return set()
    return set(run.rows.filter(subject__in=chunk.subjects).values_list("subject", flat=True))


class Hand:
    """The chunks of one worker. Call `work` once; it gives back what it holds, whatever ends it."""

    def __init__(self, run: Run, declared: RowStage, engine: RowEngine, heartbeat: lease.Heartbeat) -> None:
        self.run, self.engine, self.heartbeat = run, engine, heartbeat
        self._fetch, self._write = point(declared.fetch), point(declared.write)
        self._slice = Slice(run, heartbeat.owner, engine)
        self._chunks: dict[int, Chunk] = {}
        self._open: dict[int, set[str]] = {}  # rows of each chunk that have not ended
        self._unwritten: list[Generated] = []
        self._look_at = 0.0
        self._stalls_at = time.monotonic() + STALL_S

    def work(self, deadline: float) -> None:
        """Work until nothing is free and nothing in hand. Raises what ended it early, Stopped also at the deadline."""
        try:
            while self._fill(deadline):
                if self.engine.budget:
                    self.engine.budget.refuse_late()  # likelihoods and choices reserve nothing
                self._slice.take()
                group = self.engine.take()
                self._store(group)
                if self.engine.error:
                    raise self.engine.error
                if self.heartbeat.stop_asked.is_set() or time.monotonic() >= deadline:
                    raise Stopped
                self._watch(group)
        except OperationalError:
            connection.close()  # may be broken, and the database back before the last call in flight is answered
            raise
        finally:
            self._unwritten += self.engine.halt().generated
            self._store_left()
            for pk in list(self._chunks):
                lease.release(self._drop(pk), self.heartbeat.owner)
            self._slice.give_back()

    def _fill(self, deadline: float) -> bool:
        """Claim chunks while the engine may run out of rows; whether there is any in hand."""
        while self.engine.hungry and (not self._chunks or time.monotonic() >= self._look_at):
            chunk = following(self.run, self.heartbeat.owner, deadline)
            if chunk is None:
                self._look_at = time.monotonic() + LOOK_S
                break
            self._begin(chunk)
        return bool(self._chunks)

    def _begin(self, chunk: Chunk) -> None:
        self._chunks[chunk.pk] = chunk
        if self.engine.budget:
            # in the loop, which adds to it at every reply: a sum of this thread could forget one
            self.engine.loop.call_soon_threadsafe(self.engine.budget.learn, usage.spent(self.run))
        self.heartbeat.pks.add(chunk.pk)
        with logs.about(chunk=chunk.seq):
            logger.info("chunk begun")
        ended = ended_rows(self.run, chunk)
        waiting = [key for key in chunk.subjects if key not in ended]
        rows: Sequence[tuple[str, Any]] = self._fetch(self.run, waiting)
        self._open[chunk.pk] = set(waiting)
        self.engine.give(chunk.pk, rows, trails.again(self.run, waiting))
        gone = sorted(set(waiting) - {key for key, _ in rows})
        if gone or not rows:  # they vanished between planning and work: skipped, never silently left out
            self._store(Group(), [(chunk.pk, key, GONE) for key in gone])

    def _store(self, group: Group, gone: Sequence[Ended] = ()) -> None:
        """Write a group in one transaction, with the counts of the chunks and the end of those it completes."""
        if not (group or gone or any(not keys for keys in self._open.values())):
            return
        try:
            completed = self._transaction(group, gone)
        except BaseException:
            self._unwritten += group.generated  # they were paid for: their rows find them in the cache
            raise
        for pk in completed:
            self._drop(pk)

    @transaction.atomic
    def _transaction(self, group: Group, gone: Sequence[Ended]) -> list[int]:
        lease.hold(self.run, self._chunks.keys(), self.heartbeat.owner)
        store_replies(self.run, group.generated)
        self._slice.count(next(iter(self._chunks)), group.generated)
        usage.waited(next(iter(self._chunks)), self.engine.refusals())
        ended = [*gone, *self._written(group.finished)]
        for chunk, key, _ in ended:
            self._open[chunk].discard(key)
        completed = [pk for pk, keys in self._open.items() if not keys]
        self.heartbeat.pks.difference_update(completed)
        store_outcomes(self.run, ended, completed)
        trails.store(self.run, ((one.key, one.trail) for one in group.finished))
        return completed

    def _written(self, finished: Sequence[Finished]) -> list[Ended]:
        if not finished:
            return []
        results: list[Result] = self._write(self.run, [(one.key, one.row, one.result) for one in finished])
        return [(one.chunk, one.key, result) for one, result in zip(finished, results, strict=True)]

    def _store_left(self) -> None:
        """Store the replies of rows that were stopped, if any chunk is still ours."""
        left, self._unwritten = self._unwritten, []
        if not left:
            return
        with suppress(LeaseLost), transaction.atomic():
            ours = lease.still_ours(self._chunks.keys(), self.heartbeat.owner)
            lease.hold(self.run, ours, self.heartbeat.owner)
            if ours:
                new = unknown(left)  # a commit whose answer was lost with the connection counted the others
                store_replies(self.run, new)
                usage.count(ours[0], new)

    def _drop(self, pk: int) -> Chunk:
        self.heartbeat.pks.discard(pk)
        self._open.pop(pk, None)
        chunk = self._chunks.pop(pk)
        with logs.about(chunk=chunk.seq):
            logger.info("chunk left")
        return chunk

    def _watch(self, group: Group) -> None:
        """Say in the log of the run when nothing moves: the server may hang, or be overwhelmed."""
        now = time.monotonic()
        if group:
            self._stalls_at = now + STALL_S
        elif now >= self._stalls_at:
            self._stalls_at = now + STALL_S
            service.log(self.run, f"No row has ended for {STALL_S:.0f} seconds. Look at the model's server.")
