"""Queueing a run on somebody's behalf: the run, the record of it, and the ring for a worker belong together."""

from __future__ import annotations

from django.db import transaction

from madsafe_web.core.audit import audit
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs import service, tasks

# An import begins with a file that is sent, a training with a check before it, and a corpus is withdrawn from its own
# page, which shows what that means.
WITH_A_PAGE_OF_THEIR_OWN = ("import", "train", "withdraw", "dry_run")


@transaction.atomic
def run_queue(*, run: Run, user: User, verb: str) -> bool:
    """Queue a run and ring for a worker. False when it may not start, or when it lacks something: see `run.error`.

    Raises ConfigError for a stage that there no longer is.
    """
    started = service.run_start(run)
    run.refresh_from_db()
    if started:
        tasks.enqueue(run)
        audit(user, verb, str(run))
    return started
