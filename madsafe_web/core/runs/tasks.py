"""The doorbell: Celery tells a worker that a run has work. It may ring twice or never; the database decides."""

from __future__ import annotations

import logging
import threading
import time

from celery import shared_task
from celery.signals import worker_ready
from django.db import OperationalError, connection, transaction
from kombu.exceptions import OperationalError as BrokerError

from madsafe_web.core.models import Chunk, Run
from madsafe_web.core.runs import lease, service, worker

logger = logging.getLogger(__name__)
SLOT_S = 600.0  # a worker slot is given back after so long, so that runs take turns
SWEEP_S = 5.0


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def execute_run(run_id: int) -> None:
    run = worker.work_on(run_id, seconds=SLOT_S)
    if run.state in service.ACTIVE and run.chunks.filter(lease.claimable()).exists():
        enqueue(run)


def enqueue(run: Run) -> None:
    """Ring for a run once the surrounding transaction is committed. With a dead broker the sweep rings later."""
    transaction.on_commit(lambda: _ring(run.pk))


def _ring(run_id: int) -> None:
    # Named here and not left to Celery's current app, which is another one in the commands and in the web's threads.
    from madsafe_web.celery import app

    try:
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
    return ringing


@worker_ready.connect  # type: ignore[untyped-decorator]  # Celery has no types
def start_watch(**_: object) -> None:
    threading.Thread(target=_watch, name="watch", daemon=True).start()


def _watch() -> None:
    while True:
        try:
            lease.pulse()
            sweep()
        except OperationalError as error:  # the database is away for a moment: try again
            logger.warning("the watch could not reach the database: %s", error)
            connection.close()
        time.sleep(SWEEP_S)
