"""Which rows of this app exist for whom: who reviews sees no opinion of a judge before having answered.

By role and not by right, so that a token with fewer rights does not see more.
"""

from __future__ import annotations

from django.db.models import CharField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Cast

from annotation.models import Judgement, ReviewItem
from evaluation.models import Verdict, Vote
from evaluation.reviewing import KIND
from madsafe_web.core.access import scope
from madsafe_web.core.models import Generation, User

CERTAIN = (Verdict.Value.SAFE, Verdict.Value.UNSAFE)


def open_to(user: User) -> QuerySet[Verdict]:
    """The verdicts that this reviewer may know: certain ones, resolved ones, and those they have answered."""
    items = ReviewItem.objects.filter(kind=KIND, subject=Cast(OuterRef("pk"), CharField()))
    answered = Judgement.objects.filter(person=user, withdrawn=False, seat__item=OuterRef("pk"))
    known = items.filter(Q(state=ReviewItem.State.RESOLVED) | Exists(answered))
    return Verdict.objects.filter(Q(judged__in=CERTAIN) | Exists(known))


@scope(Verdict)
def verdicts(user: User, rows: QuerySet[Verdict]) -> QuerySet[Verdict]:
    """For reviewers the ones that no longer wait for them; all for the others."""
    return rows.filter(pk__in=open_to(user)) if user.role == User.Role.REVIEWER else rows


@scope(Vote)
def votes(user: User, rows: QuerySet[Vote]) -> QuerySet[Vote]:
    """As the verdict on the same answer; while there is none yet, hidden from reviewers."""
    return rows.filter(answer__verdict__in=open_to(user)) if user.role == User.Role.REVIEWER else rows


@scope(Generation)
def generations(user: User, rows: QuerySet[Generation]) -> QuerySet[Generation]:
    """The raw reply of a judge is its vote in other words."""
    if user.role != User.Role.REVIEWER:
        return rows
    hidden = Vote.objects.exclude(answer__verdict__in=open_to(user)).filter(generation=OuterRef("call_key"))
    return rows.filter(~Exists(hidden))
