"""The catalogue that this process holds, and when a newer one takes its place.

A small one is brought up to date before it answers. With many prompts the one at hand answers at once while a newer
one is made beside it, so that nobody waits; the page says as of when it is. At most one is made at a time.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from django.db import connection, connections

from annotation.models import Prompt
from annotation.versions import ONLY
from madsafe_web.core.method import WORKING

if TYPE_CHECKING:
    from annotation.catalogue.index import Catalogue, Version

SMALL = 20_000  # prompts; so many are read in a fifth of a second
PAUSE_S = 5.0  # at least so long between two catalogues made beside the requests
NEWEST = """SELECT (SELECT MAX(id) FROM annotation_prompt), (SELECT MAX(id) FROM annotation_promptintent),
    (SELECT MAX(id) FROM annotation_response), (SELECT MAX(id) FROM pipeline_score),
    (SELECT changes FROM annotation_dataversion WHERE id = %s),
    (SELECT COUNT(*) FROM core_run WHERE finished IS NOT NULL),
    (SELECT COUNT(*) FROM core_run WHERE state IN (%s, %s, %s, %s))"""
_making = threading.Lock()


class _Held:
    catalogue: Catalogue | None = None
    made_at = 0.0


def version_now() -> Version:
    """The data version of the database, in one query."""
    from annotation.catalogue.index import Version

    with connection.cursor() as cursor:
        cursor.execute(NEWEST, [ONLY, *WORKING])
        return Version(*(value or 0 for value in cursor.fetchone()))


def current(*, fresh: bool = False) -> Catalogue:
    """The catalogue to answer from; `fresh` waits for that of this moment, however long it takes to make."""
    now, held = version_now(), _Held.catalogue
    if held and held.version == now and not (fresh and now.working):
        return held
    if held is None or fresh or max(len(held.ids), now.prompt - held.version.prompt) <= SMALL:
        return _make(fresh=fresh)
    if time.monotonic() - _Held.made_at >= PAUSE_S and not _making.locked():
        threading.Thread(target=_make_beside, daemon=True).start()
    return held


def _make(*, fresh: bool = False) -> Catalogue:
    from annotation.catalogue.loading import load

    with _making:
        # Read here: who waited for the lock must not put an older version in the place of what was made meanwhile.
        version, held = version_now(), _Held.catalogue
        whole = fresh and version.working > 0  # what is at work may have committed rows among those read before
        if held and held.version == version and not whole:
            return held
        made = load(version, held if held and not whole and _only_newer(held.version, version) else None)
        _Held.catalogue, _Held.made_at = made, time.monotonic()
        return made


def _only_newer(old: Version, new: Version) -> bool:
    """Whether rows were only added, all with higher ids.

    Writers side by side may commit a lower id after a higher one was read, so all is read anew once a run ended, or
    is not at work any more.
    """
    return (old.changes, old.runs) == (new.changes, new.runs) and all(map(int.__le__, old, new))


def _make_beside() -> None:
    try:
        _make()
    finally:
        connections.close_all()


def newer_rows(catalogue: Catalogue) -> int:
    """How many prompts came since; 0 as long as none did."""
    return Prompt.objects.filter(id__gt=catalogue.version.prompt).count()


def forget() -> None:
    """Drop what is held, for tests: their rows come again under the same ids."""
    _Held.catalogue, _Held.made_at = None, 0.0
