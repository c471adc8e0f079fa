"""The review queue: seats at items, leased to one person at a time, and what their answers come to.

All times are compared by the clock of the database. An item is resolved when all its seats are answered and agree;
"cannot tell" and disagreement leave it open for a lead.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, F, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from annotation.models import DecidedBy, Judgement, ReviewItem, Seat
from annotation.selectors import categories_at
from madsafe_web.core.audit import audit
from madsafe_web.core.models import User

LEASE = timedelta(minutes=5)
RESOLVING = frozenset({Judgement.Answer.SAFE, Judgement.Answer.UNSAFE})


class LeaseOver(Exception):
    """The seat is no longer this person's: the lease ran out and somebody else took it, or it is answered."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """Something for people to resolve, or with a `resolution` (safe, unsafe) what a rule resolved instead."""

    subject: str
    prompt: str
    response: str
    category: str = ""  # its code
    language: str = ""
    source: str = ""
    hidden: dict[str, Any] = field(default_factory=dict)  # shown only after the answer
    resolution: str = ""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The queue as one person sees it, in items.

    `open` items wait for somebody; `answered_by_me` of them for somebody else than this person. Of those that may
    still come to this person, `free` can be claimed now and `leased_by_others` are taken, the first until `next_free`;
    with two seats an item may be both. `done` counts this person's standing answers, `total` those and what may come.
    """

    open: int
    free: int
    leased_by_others: int
    answered_by_me: int
    done: int
    total: int
    next_free: datetime | None


def subjects_queued(kind: str, subjects: Collection[str]) -> dict[str, bool]:
    """Those of the subjects that stand in the queue of a kind, open or resolved, each with whether people decide it."""
    items = ReviewItem.objects.filter(kind=kind, subject__in=subjects)
    return {subject: by != DecidedBy.RULE for subject, by in items.values_list("subject", "resolved_by")}


@transaction.atomic
def items_add(kind: str, items: Sequence[NewItem], seats: int, taxonomy: int = 1) -> None:
    """Put items in the queue in this order, each with so many seats; those with a resolution are stored without.

    `taxonomy`: the version whose codes the items name.
    """
    categories = categories_at(taxonomy)
    now = timezone.now()
    rows = [
        ReviewItem(
            kind=kind,
            subject=one.subject,
            prompt=one.prompt,
            response=one.response,
            language=one.language,
            source=one.source,
            hidden=one.hidden,
            category=categories.get(one.category),
            state=ReviewItem.State.RESOLVED if one.resolution else ReviewItem.State.OPEN,
            resolution=one.resolution,
            resolved_by=DecidedBy.RULE if one.resolution else DecidedBy.NOBODY,
            resolved=now if one.resolution else None,
        )
        for one in items
    ]
    ReviewItem.objects.bulk_create(rows, batch_size=500)
    waiting = [row for row in rows if row.state == ReviewItem.State.OPEN]
    places = [Seat(item=row, number=number) for number in range(1, seats + 1) for row in waiting]
    Seat.objects.bulk_create(places, batch_size=500)


def _free() -> Q:
    return Q(state=Seat.State.OPEN) | Q(state=Seat.State.LEASED, lease_until__lt=Now())


def _lease_end() -> object:
    return Now() + LEASE


def _elsewhere(user: User) -> Exists:
    """Whether this person has part in another seat of the same item."""
    return Exists(Seat.objects.filter(item=OuterRef("item"), holder=user).exclude(pk=OuterRef("pk")))


@transaction.atomic
def seat_claim(user: User) -> Seat | None:
    """The seat this person is to answer now, leased to them for `LEASE`; None when nothing is free for them.

    A seat still held comes first, with its lease renewed. Else the next free one, seats that were skipped last. On
    SQLite the IMMEDIATE transaction keeps others out; on PostgreSQL the row locks do.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # two windows of one person take turns
    held = _held(user)
    if (pk := held.values_list("pk", flat=True).first()) and held.filter(pk=pk).update(lease_until=_lease_end()):
        return _seat(pk)
    free = Seat.objects.filter(_free()).exclude(_elsewhere(user)).order_by("skipped", "id")
    seat = free.select_for_update(skip_locked=True).first()
    return _lease(seat.pk, user) if seat else None


def seat_held(user: User) -> Seat | None:
    """The seat that this person has now; None when they have none, or their time at it is over. Changes nothing."""
    return _held(user).select_related("item__category").first()


def _held(user: User) -> QuerySet[Seat]:
    return Seat.objects.filter(holder=user, state=Seat.State.LEASED, lease_until__gte=Now()).order_by("-lease_until")


def _lease(pk: int, user: User) -> Seat:
    """Lease a locked seat. The new token shuts out whoever held it before."""
    Seat.objects.filter(pk=pk).update(
        state=Seat.State.LEASED, holder=user, lease_until=_lease_end(), token=F("token") + 1
    )
    return _seat(pk)


def _seat(pk: int) -> Seat:
    return Seat.objects.select_related("item__category").get(pk=pk)


def _locked(seat_id: int) -> Seat:
    """The seat with its item, both locked, so that the answers at one item come one after the other."""
    try:
        item = ReviewItem.objects.select_for_update().get(seats=seat_id)
        seat = Seat.objects.select_for_update().get(pk=seat_id)
    except (ReviewItem.DoesNotExist, Seat.DoesNotExist):
        raise LeaseOver(f"There is no seat {seat_id}.") from None
    seat.item = item
    return seat


def _is_held(seat: Seat, user: User, token: int) -> bool:
    return seat.state == Seat.State.LEASED and seat.holder_id == user.pk and seat.token == token


@transaction.atomic
def seat_answer(user: User, seat_id: int, token: int, answer: str) -> Judgement:
    """Store a person's answer (safe, unsafe, cannot_tell); the last one may resolve the item.

    An answer after the lease ran out counts while the seat is free, and one sent twice counts once. Raises LeaseOver
    when somebody else has the seat or it is answered, ValueError for another word.
    """
    if answer not in Judgement.Answer.values:
        raise ValueError(f"'{answer}' is no answer.")
    seat = _locked(seat_id)
    standing = seat.judgements.filter(withdrawn=False).first()
    if standing and (standing.person_id, seat.token, standing.answer) == (user.pk, token, answer):
        return standing
    # Only who once held the seat has a token from 1 up to its newest.
    free = 1 <= token <= seat.token and Seat.objects.filter(_free(), pk=seat.pk).exclude(_elsewhere(user)).exists()
    if not (_is_held(seat, user, token) or free):
        raise LeaseOver(f"Seat {seat_id} is no longer yours.")
    Seat.objects.filter(pk=seat.pk).update(state=Seat.State.ANSWERED, holder=user, lease_until=None)
    judgement = Judgement.objects.create(seat=seat, person=user, answer=answer)
    _resolve(seat.item)
    audit(user, "review.answer", f"seat {seat.pk}", item=seat.item_id, answer=answer)
    return judgement


def _resolve(item: ReviewItem) -> None:
    """Resolve the item when all its seats are answered with one and the same verdict."""
    seats = item.seats.exclude(state=Seat.State.VOID)
    if seats.exclude(state=Seat.State.ANSWERED).exists():
        return
    answers = set(Judgement.objects.filter(seat__in=seats, withdrawn=False).values_list("answer", flat=True))
    if len(answers) == 1 and answers <= RESOLVING:
        ReviewItem.objects.filter(pk=item.pk, state=ReviewItem.State.OPEN).update(
            state=ReviewItem.State.RESOLVED,
            resolution=answers.pop(),
            resolved_by=DecidedBy.PERSON,
            resolved=Now(),
        )


@transaction.atomic
def seat_skip(user: User, seat_id: int, token: int) -> None:
    """Give a seat back, to be offered after all others. Raises LeaseOver when the person no longer holds it."""
    seat = _locked(seat_id)
    if not _is_held(seat, user, token):
        raise LeaseOver(f"Seat {seat_id} is no longer yours.")
    Seat.objects.filter(pk=seat.pk).update(
        state=Seat.State.OPEN, holder=None, lease_until=None, skipped=F("skipped") + 1
    )


@transaction.atomic
def review_undo(user: User) -> Seat | None:
    """Take back the person's newest standing answer: its seat is theirs again and the item open; None without one.

    The answer stays stored as withdrawn. Other seats the person holds go back, so that this one is shown next.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    newest = Judgement.objects.filter(person=user, withdrawn=False).order_by("-id").first()
    if newest is None:
        return None
    seat = _locked(newest.seat_id)
    Judgement.objects.filter(pk=newest.pk).update(withdrawn=True)
    ReviewItem.objects.filter(pk=seat.item_id).update(
        state=ReviewItem.State.OPEN, resolution="", resolved_by=DecidedBy.NOBODY, resolved=None
    )
    Seat.objects.filter(holder=user, state=Seat.State.LEASED).update(
        state=Seat.State.OPEN, holder=None, lease_until=None
    )
    taken = _lease(seat.pk, user)
    audit(user, "review.undo", f"seat {seat.pk}", item=seat.item_id, answer=newest.answer)
    return taken


def queue_state(user: User) -> QueueState:
    """Counts for the page of this person, in three queries."""
    has_part = Exists(Seat.objects.filter(item=OuterRef("pk"), holder=user, state=Seat.State.ANSWERED))
    items = ReviewItem.objects.filter(state=ReviewItem.State.OPEN).aggregate(
        open=Count("id"), mine=Count("id", filter=has_part)
    )
    leased = Q(state=Seat.State.LEASED, lease_until__gte=Now())
    waiting = Seat.objects.filter(state__in=(Seat.State.OPEN, Seat.State.LEASED))
    seats = waiting.exclude(_elsewhere(user)).aggregate(
        free=Count("item", filter=_free(), distinct=True),
        taken=Count("item", filter=leased & ~Q(holder=user), distinct=True),
        coming=Count("item", filter=_free() | leased, distinct=True),
        next_free=Min("lease_until", filter=leased & ~Q(holder=user)),
    )
    done = Judgement.objects.filter(person=user, withdrawn=False).count()
    return QueueState(
        open=items["open"],
        free=seats["free"],
        leased_by_others=seats["taken"],
        answered_by_me=items["mine"],
        done=done,
        total=done + seats["coming"],
        next_free=seats["next_free"],
    )


def open_count(user: User) -> int:
    """Number of items that this person could answer now, in one query: the badge in the frame of every page."""
    held = Q(state=Seat.State.LEASED, holder=user)
    seats = Seat.objects.filter(_free() | held).exclude(_elsewhere(user))
    return seats.values("item").distinct().count()
