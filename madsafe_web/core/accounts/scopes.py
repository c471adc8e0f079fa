"""Which people and which tokens exist for whom."""

from __future__ import annotations

from django.db.models import QuerySet

from madsafe_web.core.access import can, scope
from madsafe_web.core.models import ApiToken, User


@scope(User)
def people(user: User, rows: QuerySet[User]) -> QuerySet[User]:
    """Everybody for admins, oneself for the others."""
    return rows if can(user, "administer") else rows.filter(pk=user.pk)


@scope(ApiToken)
def tokens(user: User, rows: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
    """Everybody's for admins, one's own for the others."""
    return rows if can(user, "administer") else rows.filter(user=user)
