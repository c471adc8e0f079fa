"""The doorbell: Celery tells a worker that a run has work. It may ring twice or never; the database decides."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from celery import shared_task
from celery.signals import worker_ready
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from kombu.exceptions import OperationalError as BrokerError

from madsafe_web.core.models import Chunk, Run
from madsafe_web.core.runs import lease, sending, service, worker
from madsafe_web.core.runs.stages import point

logger = logging.getLogger(__name__)
SLOT_S = 600.0  # a worker slot is given back after so long, so that runs take turns
SWEEP_S = 5.0
_lock = threading.Lock()
_in_work: set[int] = set()


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def execute_run(run_id: int) -> None:
    """Work on a run for a while, in one thread of a process only: a model in process is loaded once, not per thread."""
    with _alone(run_id) as alone:
        if not alone:
            return
        _pass_on(run_id)
        run = worker.work_on(run_id, seconds=SLOT_S)
    if run.state in service.ACTIVE and run.chunks.filter(lease.claimable()).exists():
        enqueue(run)


def _pass_on(run_id: int) -> None:
    """Ring for another worker where there is work for two; he does the same, so that all join in at once.

    Rung only with the sweeps, they would come one by one. Who already works on the run lets the bell ring.
    """
    if Chunk.objects.filter(lease.claimable(), run=run_id, run__state__in=service.ACTIVE).count() > 1:
        _ring(run_id)


@contextmanager
def _alone(run_id: int) -> Iterator[bool]:
    """Whether no other thread of this process works on the run."""
    with _lock:
        alone = run_id not in _in_work
        if alone:
            _in_work.add(run_id)
    try:
        yield alone
    finally:
        if alone:
            with _lock:
                _in_work.discard(run_id)


def enqueue(run: Run) -> None:
    """Ring for a run once the surrounding transaction is committed. With a dead broker the sweep rings later."""
    transaction.on_commit(lambda: _ring(run.pk))


def _ring(run_id: int) -> None:
    # Named here and not left to Celery's current app, which is another one in the commands and in the web's threads.
    from madsafe_web.celery import app

    try:
        # Without an expiry, which would compare the clocks of two machines; a ring too many costs nothing (_alone).
        app.send_task(execute_run.name, args=[run_id])
    except (BrokerError, OSError) as error:
        logger.warning("run %s stays queued, the broker cannot be reached: %s", run_id, error)


def sweep() -> list[int]:
    """Ring for every active run that has a free chunk or only needs to be finished; returns their ids."""
    ringing = []
    for run in Run.objects.filter(state__in=(*service.ACTIVE, Run.State.PAUSING, Run.State.CANCELLING)):
        lease.free_dead(run)
        service.settle(run)
        unfinished = run.chunks.exclude(state=Chunk.State.DONE)
        if not unfinished.exists() or unfinished.filter(lease.claimable()).exists():
            ringing.append(run.pk)
            _ring(run.pk)
    for hook in settings.SWEEP_HOOKS:
        point(hook)()
    return ringing


@worker_ready.connect  # type: ignore[untyped-decorator]  # Celery has no types
def start_watch(**_: object) -> None:
    """Watch over the runs, and beside it send notices: a slow mail server must not keep this worker from its pulse."""
    for name, work in (("watch", _watch), ("notices", sending.notices_send)):
        threading.Thread(target=_rounds, args=(name, work), name=name, daemon=True).start()


def _rounds(name: str, work: Callable[[], object]) -> None:
    while True:
        round_of(name, work)
        time.sleep(SWEEP_S)


def round_of(name: str, work: Callable[[], object]) -> None:
    """Do the work once. Whatever goes wrong is logged and no more, since the next round comes soon."""
    try:
        work()
    except (DatabaseError, OSError) as error:  # away for a moment, not migrated yet, a full disk
        logger.warning("the thread '%s' could not do its round: %s", name, error)
        connection.close()
    except Exception:  # the thread must not end: nobody would start it again
        logger.exception("the thread '%s' could not do its round", name)
        connection.close()


def _watch() -> None:
    lease.pulse()
    sweep()
