"""Whether this installation can do its work: what `/healthz` and `manage.py health` say.

Down (503) is only what keeps the pages from working: no database, or a var folder that takes no file. A broker that is
away, a silent worker and little disk space leave the pages usable, so the site is then degraded and answers 200: a load
balancer that took it out of service would only make things worse.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from madsafe_web.core.models import WorkerPulse

logger = logging.getLogger(__name__)
PATH = "/healthz"
SILENT_S = 30  # as long as the banner on the pages waits
DATABASE_S, BROKER_S, DISK_S = 2.0, 1.0, 2.0  # how long each part may take to answer
PROBE = b"\0" * 65536
OK, AWAY, FULL, UNKNOWN = "ok", "away", "full", "unknown"
Handler = Callable[[HttpRequest], HttpResponse]
# What was asked last of each part, with what it said: one that has not answered yet is not asked a second time.
_asking: dict[str, tuple[threading.Thread, list[str]]] = {}
_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class Health:
    """One word for each part: no address, path or version, since strangers may read it."""

    database: str
    broker: str
    worker: str
    disk: str

    @property
    def checks(self) -> dict[str, str]:
        return {"database": self.database, "broker": self.broker, "worker": self.worker, "disk": self.disk}

    @property
    def status(self) -> str:
        """`ok`, `degraded` or `down`."""
        if self.database != OK or self.disk == FULL:
            return "down"
        return OK if all(said == OK for said in self.checks.values()) else "degraded"


def look() -> Health:
    """Ask all parts; takes at most about five seconds, however long they hang."""
    worker = bounded("database", DATABASE_S, last_heard, AWAY)
    away = worker == AWAY
    return Health(
        database=AWAY if away else OK,
        broker=bounded("broker", BROKER_S, broker, AWAY),
        worker=UNKNOWN if away else worker,
        disk=bounded("disk", DISK_S, disk, FULL),
    )


def bounded(name: str, seconds: float, ask: Callable[[], str], failed: str) -> str:
    """What `ask` says; `failed` where it raises or takes longer. Who comes meanwhile shares the answer."""
    with _guard:
        thread, said = _asking.get(name, (None, []))
        if thread is None or not thread.is_alive():
            said = []
            thread = threading.Thread(target=_ask, args=(name, ask, said), name=f"health-{name}", daemon=True)
            _asking[name] = thread, said
            thread.start()
    thread.join(seconds)
    return said[0] if said else failed


def _ask(name: str, ask: Callable[[], str], said: list[str]) -> None:
    try:
        said.append(ask())
    except Exception as error:  # whatever it is, the part does not work; more must not leave this thread
        logger.warning("health: %s does not answer: %s", name, type(error).__name__)
    finally:
        connection.close()  # this thread's own


def last_heard() -> str:
    """`ok`, `silent 42 s` or `none`, by the clock of the database. Raises DatabaseError where that is away."""
    newest = WorkerPulse.objects.order_by("-at").values_list("at", Now()).first()
    if newest is None:
        return "none"
    at, now = newest
    age = max(timedelta(), now - at)
    return OK if age <= timedelta(seconds=SILENT_S) else f"silent {int(age.total_seconds())} s"


def broker() -> str:
    """Whether a message could be left. Celery is loaded only here, so the web process starts without it."""
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        folder = Path(settings.VAR_DIR, "broker", "queue")
        there = next(path for path in (folder, *folder.parents) if path.exists())
        return OK if os.access(there, os.W_OK | os.X_OK) else AWAY
    from madsafe_web.celery import app

    with app.connection_for_write() as line:
        line.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_S)
    return OK


def disk() -> str:
    """`full` where the var folder takes no file, `low` below MADSAFE_DISK_LOW_MB, else `ok`."""
    try:
        with tempfile.TemporaryFile(dir=settings.VAR_DIR) as file:
            file.write(PROBE)
            file.flush()
    except OSError:
        return FULL
    free = shutil.disk_usage(settings.VAR_DIR).free
    return OK if free >= settings.DISK_LOW_MB * 2**20 else "low"


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """`{"status": …, "checks": {…}}` with 200 or 503, for whoever asks."""
    found = look()
    answer = {"status": found.status, "checks": found.checks}
    headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY"}
    return JsonResponse(answer, status=503 if found.status == "down" else 200, headers=headers)


def before_sessions(get_response: Handler) -> Handler:
    """Answer the question before anything looks for a session or a host name: it must be answered without a database,
    and by the address that a container has inside.
    """

    def handle(request: HttpRequest) -> HttpResponse:
        asked = request.path_info == PATH and request.method in ("GET", "HEAD")
        return healthz(request) if asked else get_response(request)

    return handle
