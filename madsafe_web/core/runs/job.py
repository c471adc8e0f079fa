"""What the work function of a WholeStage is given: its run, its place, and the only way to write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F

from madsafe_web.core.models import Chunk, Run
from madsafe_web.core.runs import lease, service
from madsafe_web.core.runs.errors import LeaseLost, Stopped


@dataclass(slots=True)
class Progress:
    """What a commit adds to the counts of its chunk, and where the work would go on."""

    counts: Mapping[str, int]
    cursor: dict[str, Any] | None = None


class Job:
    """One chunk in work. `cursor` is what the last commit left, so that a killed job goes on from there."""

    def __init__(self, run: Run, chunk: Chunk, params: Any, heartbeat: lease.Heartbeat) -> None:
        self.run, self.chunk, self.params = run, chunk, params
        self._heartbeat = heartbeat
        self.done = False  # whether the chunk was made done by a commit

    @property
    def cursor(self) -> dict[str, Any]:
        cursor: dict[str, Any] = self.chunk.cursor
        return cursor

    def check(self) -> None:
        """Call between pieces of work. Raises Stopped when a pause or cancel was asked for or the lease is gone."""
        if self._heartbeat.stop_asked.is_set():
            raise Stopped

    def log(self, text: str) -> None:
        service.log(self.run, text)

    @contextmanager
    def commit(self, **counts: int) -> Iterator[Progress]:
        """A transaction for the writes inside it together with the counts and the cursor; all or nothing.

        Counts (kept, duplicate, rejected, failed) are added, and their sum to `read`; they and the cursor may also be
        set on what is yielded, when they are known only after the writes. Counts without a cursor are the last word on
        the chunk: it is done with this transaction, so a kill right after it cannot count them twice. Raises LeaseLost.
        """
        progress = Progress(counts)
        with transaction.atomic():
            self._hold()
            yield progress
            changes: dict[str, Any] = {name: F(name) + value for name, value in progress.counts.items()}
            changes["read"] = F("read") + sum(progress.counts.values())
            if progress.cursor is not None:
                changes["cursor"] = progress.cursor
            last = bool(progress.counts) and progress.cursor is None
            if last:
                changes |= lease.given_up(Chunk.State.DONE)
            Chunk.objects.filter(pk=self.chunk.pk).update(**changes)
        self.done = last
        if progress.cursor is not None:
            self.chunk.cursor = json.loads(json.dumps(progress.cursor))  # as it is read again

    def finish(self) -> None:
        """Make the chunk done with what was committed. Raises LeaseLost."""
        with transaction.atomic():
            self._hold()
            Chunk.objects.filter(pk=self.chunk.pk).update(**lease.given_up(Chunk.State.DONE))

    def _hold(self) -> None:
        """Lock the chunk, and make sure that the last commit is there. Raises LeaseLost.

        A server that failed may have lost it (`bulk.prepare_writing`), and behind a pooler we would not even notice.
        """
        lease.hold(self.run, [self.chunk.pk], self._heartbeat.owner)
        if Chunk.objects.values_list("cursor", flat=True).get(pk=self.chunk.pk) != self.chunk.cursor:
            raise LeaseLost(f"commits of chunk {self.chunk.seq} of run {self.run.pk} are gone")

    def total(self, rows: int) -> None:
        """Say how many rows there are to read, for progress and for the check at the end."""
        Run.objects.filter(pk=self.run.pk).update(total=rows)

    def output(self, **facts: Any) -> None:
        """Note what the run made. Call inside `commit`, so that it stands or falls with the rest."""
        run = Run.objects.select_for_update().get(pk=self.run.pk)
        run.outputs = {**run.outputs, **facts}
        run.save(update_fields=["outputs"])
        self.run.outputs = run.outputs

    def offline_rules(self) -> None:
        """Mark the run: what it wrote rests on the offline rules."""
        Run.objects.filter(pk=self.run.pk).update(offline_rules=True)
