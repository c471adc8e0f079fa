"""The catalogue that this process holds, and when a newer one takes its place.

A small one is brought up to date before it answers. With many prompts the one at hand answers at once while a newer
one is made beside it, so that nobody waits; the page says as of when it is. At most one is made at a time. The first
one of a process comes from disk where another process or an earlier one has kept it; else the database answers until it
is made.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection, connections

from annotation.models import Prompt
from annotation.versions import ONLY
from madsafe_web.core.method import WORKING

if TYPE_CHECKING:
    from annotation.catalogue.index import Catalogue, Version

SMALL = 20_000  # prompts; so many are read in a fifth of a second
PAUSE_S = 5.0  # at least so long between two catalogues made beside the requests
KEEP_PAUSE_S = 60.0  # at least so long between two that are written while a run is at work
BROKEN = (ImportError, MemoryError, OSError, ValueError, DatabaseError)
NEWEST = """SELECT (SELECT MAX(id) FROM annotation_prompt), (SELECT MAX(id) FROM annotation_promptintent),
    (SELECT MAX(id) FROM annotation_response), (SELECT MAX(id) FROM pipeline_score),
    (SELECT changes FROM annotation_dataversion WHERE id = %s),
    (SELECT COUNT(*) FROM core_run WHERE finished IS NOT NULL),
    (SELECT COUNT(*) FROM core_run WHERE state IN (%s, %s, %s, %s))"""
_making, _opening = threading.Lock(), threading.Lock()
log = logging.getLogger(__name__)


class NotReady(Exception):
    """There is no catalogue yet, or none can be made."""


class _Held:
    catalogue: Catalogue | None = None
    begun_at = made_at = kept_at = float("-inf")


def version_now() -> Version:
    """The data version of the database, in one query. Raises NotReady where a catalogue cannot be had at all."""
    try:
        from annotation.catalogue.index import Version
    except ImportError as error:
        raise NotReady from error
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, [ONLY, *WORKING])
        return Version(*(value or 0 for value in cursor.fetchone()))


def current(*, fresh: bool = False) -> Catalogue:
    """The catalogue to answer from; `fresh` waits for that of this moment, however long it takes to make.

    Raises NotReady where the first one is still being made, and where none can be made.
    """
    now, held = version_now(), _Held.catalogue
    if held and held.version == now and not (fresh and now.working):
        return held
    few = max(len(held.ids), now.prompt - held.version.prompt) <= SMALL if held else now.prompt <= SMALL
    if fresh or few:
        return _made_now(fresh=fresh)
    held = held or _from_disk(now)
    if held is None or held.version != now:
        _make_soon()
    if held is None:
        raise NotReady
    return held


def _made_now(*, fresh: bool) -> Catalogue:
    try:
        made = _make(fresh=fresh)
    except BROKEN as error:
        log.exception("The catalogue of prompts cannot be made.")
        raise NotReady from error
    if len(made.ids) > SMALL:
        _beside(_keep)
    return made


def _from_disk(now: Version) -> Catalogue | None:
    """What was kept of this version, or of an older one that rows were only added to."""
    from annotation.catalogue import kept

    with _opening:
        if _Held.catalogue is None:
            _Held.catalogue = kept.newest(now)
        return _Held.catalogue


def _make_soon() -> None:
    if time.monotonic() - max(_Held.begun_at, _Held.made_at) >= PAUSE_S and not _making.locked():
        _Held.begun_at = time.monotonic()
        _beside(_make, _keep)


def _make(*, fresh: bool = False) -> Catalogue:
    from annotation.catalogue.loading import load

    with _making:
        # Read here: who waited for the lock must not put an older version in the place of what was made meanwhile.
        version, held = version_now(), _Held.catalogue
        whole = fresh and version.working > 0  # what is at work may have committed rows among those read before
        if held and held.version == version and not whole:
            return held
        old = None if whole else _older(version)
        made = old if old and old.version == version else load(version, old)
        _Held.catalogue, _Held.made_at = made, time.monotonic()
        return made


def _older(version: Version) -> Catalogue | None:
    """The newest catalogue that rows were only added to since, of this process or on disk."""
    from annotation.catalogue import kept

    held = _Held.catalogue
    old = held if held and version.only_adds_to(held.version) else None
    stored = kept.newest(version) if version.prompt > SMALL else None
    return max(filter(None, (old, stored)), key=lambda one: one.version, default=None)


def _keep() -> None:
    """Put what is held on disk, and hold it from there."""
    from annotation.catalogue import kept

    made, now = _Held.catalogue, time.monotonic()
    if made is None or len(made.ids) <= SMALL or (made.version.working and now - _Held.kept_at < KEEP_PAUSE_S):
        return
    _Held.kept_at = now
    same = kept.keep(made)
    with _making:
        if _Held.catalogue is made:
            _Held.catalogue = same


def _beside(*steps: Callable[[], object]) -> None:
    """Do these in a thread of their own, which ends with the first that fails; its connection is closed."""

    def work() -> None:
        try:
            for step in steps:
                step()
        finally:
            connections.close_all()

    threading.Thread(target=work, daemon=True).start()


def newer_rows(catalogue: Catalogue) -> int:
    """How many prompts came since; 0 as long as none did."""
    return Prompt.objects.filter(id__gt=catalogue.version.prompt).count()


def forget() -> None:
    """Drop what is held, for tests: their rows come again under the same ids."""
    _Held.catalogue = None
    _Held.begun_at = _Held.made_at = _Held.kept_at = float("-inf")
