"""Who works on which chunk. Leases are set and compared by the clock of the database alone."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

import psutil
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from madsafe_web.core.models import Chunk, Run, WorkerPulse
from madsafe_web.core.runs.errors import LeaseLost

logger = logging.getLogger(__name__)
START_TOLERANCE_S = 2.0  # start times come from the boot time, which a clock correction moves a little
_numbers = itertools.count()
_at_work: set[str] = set()  # owners that are pieces of work of this process


def owner_name() -> str:
    """This process and a piece of its work, in a form that another process of the same host can check for life."""
    process = psutil.Process()
    return f"{socket.gethostname()}/{process.pid}/{process.create_time():.2f}/{next(_numbers)}"


@contextmanager
def at_work() -> Iterator[str]:
    """An owner that counts as alive as long as it is entered: what it could not give back is free afterwards."""
    owner = owner_name()
    _at_work.add(owner)
    try:
        yield owner
    finally:
        _at_work.discard(owner)


def owner_is_dead(owner: str) -> bool:
    """True for a process of this host that no longer exists, and for work of this process that has ended.

    Of other hosts we know nothing.
    """
    host, pid, started, _ = owner.rsplit("/", 3)
    if host != socket.gethostname():
        return False
    if int(pid) == os.getpid():
        return owner not in _at_work
    try:
        process = psutil.Process(int(pid))
        if process.status() == psutil.STATUS_ZOMBIE:  # killed, and its parent has not looked yet
            return True
        return bool(abs(process.create_time() - float(started)) > START_TOLERANCE_S)  # psutil has no types
    except psutil.NoSuchProcess:
        return True


def lease_end() -> object:
    return Now() + timedelta(seconds=settings.RUN_LEASE_S)


def free_dead(run: Run) -> None:
    """Take the leases from processes of this host that were killed, without waiting for them to run out."""
    for owner in run.chunks.filter(state=Chunk.State.LEASED).values_list("owner", flat=True).distinct():
        if owner_is_dead(owner):
            run.chunks.filter(state=Chunk.State.LEASED, owner=owner).update(state=Chunk.State.OPEN, owner="")


def claimable() -> Q:
    return Q(state=Chunk.State.OPEN) | Q(state=Chunk.State.LEASED, lease_until__lt=Now())


@transaction.atomic
def claim(run: Run, owner: str) -> Chunk | None:
    """The next chunk nobody works on, now ours; None when there is none.

    On SQLite the IMMEDIATE transaction keeps others out; on PostgreSQL the row lock does.
    """
    free = run.chunks.filter(claimable()).select_for_update(skip_locked=True)
    chunk = free.order_by("seq").first()
    if chunk is None:
        return None
    Chunk.objects.filter(pk=chunk.pk).update(
        state=Chunk.State.LEASED, owner=owner, lease_until=lease_end(), attempts=F("attempts") + 1
    )
    chunk.refresh_from_db()
    return chunk


def hold(run: Run, pks: Collection[int], owner: str) -> None:
    """Make sure, inside a transaction, that these chunks are still ours, and lock them. Raises LeaseLost.

    What is about to be written is progress, so the attempts without any begin anew.
    """
    mine = Chunk.objects.filter(pk__in=pks, owner=owner, state=Chunk.State.LEASED)
    if mine.update(lease_until=lease_end(), attempts=0) < len(pks):
        raise LeaseLost(f"a chunk of run {run.pk} went to another worker")


def still_ours(pks: Collection[int], owner: str) -> list[int]:
    """Those of the chunks that no other worker took over."""
    mine = Chunk.objects.filter(pk__in=pks, owner=owner, state=Chunk.State.LEASED)
    return list(mine.values_list("pk", flat=True))


def given_up(state: Chunk.State) -> dict[str, object]:
    """The fields of a chunk that nobody works on any more: open again, or done."""
    finished = {"finished": Now()} if state == Chunk.State.DONE else {}
    return {"state": state, "owner": "", "lease_until": None, **finished}


def release(chunk: Chunk, owner: str) -> None:
    """Give an unfinished chunk back, so that another worker may go on at once."""
    mine = Chunk.objects.filter(pk=chunk.pk, owner=owner, state=Chunk.State.LEASED)
    mine.update(**given_up(Chunk.State.OPEN))


class Heartbeat:
    """While entered, keeps leases alive from a thread of its own and watches for pause and cancel.

    `pks` are the chunks in hand; whoever claims, finishes or gives back a chunk changes it. `renew` is called at each
    beat, in that thread.
    """

    def __init__(self, run: Run, owner: str, renew: Callable[[], None] | None = None) -> None:
        self.run, self.owner, self._renew = run, owner, renew
        self.pks: set[int] = set()
        self.stop_asked = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{run.pk}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        look = min(1.0, settings.RUN_HEARTBEAT_S)
        due = time.monotonic() + settings.RUN_HEARTBEAT_S
        while not self._over.wait(look):
            try:
                self._look()
                if time.monotonic() >= due:
                    due = time.monotonic() + settings.RUN_HEARTBEAT_S
                    self._extend()
            except OperationalError as error:  # the database is away for a moment; the lease has time left
                logger.warning("no heartbeat for run %s: %s", self.run.pk, error)
                connection.close()
        connection.close()

    def _look(self) -> None:
        if Run.objects.filter(pk=self.run.pk).exclude(state__in=("running", "queued")).exists():
            self.stop_asked.set()

    def _extend(self) -> None:
        pulse()
        if self._renew:
            self._renew()
        before = set(self.pks)
        kept = Chunk.objects.filter(pk__in=before, owner=self.owner, state=Chunk.State.LEASED)
        if kept.update(lease_until=lease_end()) < len(before & self.pks):  # without those finished in between
            self.stop_asked.set()


def pulse() -> None:
    """Note that this worker is alive."""
    WorkerPulse.objects.update_or_create(name=f"{socket.gethostname()}/{os.getpid()}", defaults={"at": Now()})
