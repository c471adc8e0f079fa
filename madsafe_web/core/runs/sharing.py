"""The limits of an endpoint (`rpm`, `tpm`) are those of all who ask it: each worker keeps to an equal part.

Whoever asks an endpoint with such limits notes it, and notes it anew with every heartbeat; who was not heard for the
time of a lease counts no more. An endpoint that a run only falls back to counts as asked. The others know a newcomer
after their next heartbeat: until then all together may pass the limits by the newcomer's part.
"""

from __future__ import annotations

from django.db.models.functions import Now

from madsafe_web.core.models import EndpointSharer
from madsafe_web.core.runs import lease
from madsafe_web.core.runs.rows import RowEngine


class Sharing:
    """The parts of one worker in the limits of the endpoints that its run asks. Enter it while the engine is."""

    def __init__(self, engine: RowEngine, owner: str) -> None:
        self._engine, self._owner = engine, owner
        rows = engine.endpoints.values()
        self._limited = [row for row in rows if row.options.get("rpm") or row.options.get("tpm")]

    def __enter__(self) -> None:
        if self._limited:
            EndpointSharer.objects.filter(endpoint__in=self._limited, until__lt=Now()).delete()
            self.renew()

    def __exit__(self, *_: object) -> None:
        if self._limited:
            EndpointSharer.objects.filter(endpoint__in=self._limited, worker=self._owner).delete()

    def renew(self) -> None:
        """Note that this worker lives, and tell the engine how many do."""
        for endpoint in self._limited:
            living = {"until": lease.lease_end()}
            EndpointSharer.objects.update_or_create(endpoint=endpoint, worker=self._owner, defaults=living)
            count = EndpointSharer.objects.filter(endpoint=endpoint, until__gte=Now()).count()
            self._engine.share(endpoint.name, count)
