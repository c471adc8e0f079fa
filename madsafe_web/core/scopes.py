"""Which rows of the core exist for whom: the audit record, and the answers kept for requests sent twice."""

from __future__ import annotations

from django.db.models import QuerySet

from madsafe_web.core.access import can, scope
from madsafe_web.core.auditing.words import METHOD
from madsafe_web.core.models import AuditEvent, IdempotentRequest, User


@scope(IdempotentRequest)
def requests(user: User, rows: QuerySet[IdempotentRequest]) -> QuerySet[IdempotentRequest]:
    """One's own, for everybody: the answer to a request is the sender's."""
    return rows.filter(user=user)


@scope(AuditEvent)
def events(user: User, rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
    """The work of the method; all for admins."""
    return rows if can(user, "administer") else rows.filter(METHOD)
