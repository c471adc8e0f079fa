"""Which rows of this app exist for whom: answers stay blind until their item or label is resolved."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from annotation.models import Judgement, LabelOpinion, MapEntry, ReviewItem, Seat, Upload
from madsafe_web.core.access import can, scope
from madsafe_web.core.models import User


@scope(Seat)
def seats(user: User, rows: QuerySet[Seat]) -> QuerySet[Seat]:
    """A person's own seats and those that nobody holds."""
    return rows.filter(Q(holder=user) | Q(holder=None))


@scope(Judgement)
def judgements(user: User, rows: QuerySet[Judgement]) -> QuerySet[Judgement]:
    """A person's own answers, and everybody's once the item is resolved."""
    return rows.filter(Q(person=user) | Q(seat__item__state=ReviewItem.State.RESOLVED))


@scope(LabelOpinion)
def opinions(user: User, rows: QuerySet[LabelOpinion]) -> QuerySet[LabelOpinion]:
    """A person's own answers, everybody's once they decided the label, and those of a disagreement for who settles."""
    decided = Q(standing=True, entry__second=MapEntry.Second.NONE) & ~Q(entry__decided_by="")
    disagreed = Q(standing=True, entry__second=MapEntry.Second.CONFLICT)
    return rows.filter(Q(person=user) | decided | (disagreed if can(user, "adjudicate") else Q(pk=None)))


@scope(Upload)
def uploads(user: User, rows: QuerySet[Upload]) -> QuerySet[Upload]:
    """A person's own files on their way."""
    return rows.filter(user=user)
