"""Which rows of the core exist for whom: people, tokens, the audit record, notices, answers kept for requests."""

from __future__ import annotations

from django.db.models import QuerySet

from madsafe_web.core.access import can, scope
from madsafe_web.core.auditing.words import METHOD
from madsafe_web.core.models import ApiToken, AuditEvent, IdempotentRequest, RunNotice, User


@scope(User)
def people(user: User, rows: QuerySet[User]) -> QuerySet[User]:
    """Everybody for admins, oneself for the others."""
    return rows if can(user, "administer") else rows.filter(pk=user.pk)


@scope(ApiToken)
def tokens(user: User, rows: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
    """Everybody's for admins, one's own for the others."""
    return rows if can(user, "administer") else rows.filter(user=user)


@scope(IdempotentRequest)
def requests(user: User, rows: QuerySet[IdempotentRequest]) -> QuerySet[IdempotentRequest]:
    """One's own, for everybody: the answer to a request is the sender's."""
    return rows.filter(user=user)


@scope(RunNotice)
def notices(user: User, rows: QuerySet[RunNotice]) -> QuerySet[RunNotice]:
    """One's own, for everybody."""
    return rows.filter(user=user)


@scope(AuditEvent)
def events(user: User, rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
    """The work of the method; all for admins."""
    return rows if can(user, "administer") else rows.filter(METHOD)
