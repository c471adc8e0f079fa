"""What the review page shows to one person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.models import Category, Guideline, Judgement, ReviewItem, Seat
from annotation.reviewing import QueueState, queue_state, seat_held
from annotation.selectors import guideline_of
from madsafe_web.core.access import can, scoped
from madsafe_web.core.models import Run, User

Context = dict[str, Any]  # Any: a template's context


@dataclass(frozen=True, slots=True)
class Shown:
    """The item to answer. What the judge said, and which model replied, is not among it."""

    seat: int
    token: int
    prompt: str
    response: str
    category: Category | None
    definition: str
    examples: str
    guideline: Guideline | None
    lang: str
    source: str
    leased_until: datetime | None


@dataclass(frozen=True, slots=True)
class Previous:
    """The person's last answer beside the judge's."""

    prompt: str
    answer: str
    judge: str
    model: str


@dataclass(frozen=True, slots=True)
class Empty:
    """Why there is nothing to answer, and where to go."""

    title: str
    text: str
    action: str
    url: str


def review_context(user: User, notice: str = "") -> Context:
    """The page for one person: with the item they hold, or with what there is to take. Changes nothing."""
    reviews = can(user, "review")
    seat = seat_held(user) if reviews else None
    queue = queue_state(user)
    previous = _previous(user) if reviews else None
    return {
        "queue": queue,
        "item": _shown(seat) if seat else None,
        "previous": previous,
        "can_undo": previous is not None,
        "notice": notice,
        "can_take": reviews and not seat and queue.free > 0,
        "take_at_once": not notice,
        "empty": None if seat else _empty(queue, reviews),
    }


def _shown(seat: Seat) -> Shown:
    item = seat.item
    return Shown(
        seat=seat.pk,
        token=seat.token,
        prompt=item.prompt,
        response=item.response,
        category=item.category,
        definition=item.category.definition if item.category else "",
        examples=item.category.examples if item.category else "",
        guideline=guideline_of(item.category.code) if item.category else None,
        lang=item.language,
        source=item.source,
        leased_until=seat.lease_until,
    )


def _previous(user: User) -> Previous | None:
    own = scoped(user, Judgement).filter(person=user, withdrawn=False).select_related("seat__item")
    last = own.order_by("-id").first()
    if last is None:
        return None
    item = last.seat.item
    return Previous(item.prompt, last.answer, item.hidden.get("judge", ""), item.hidden.get("model", ""))


def _empty(queue: QueueState, reviews: bool) -> Empty:
    """The truth about an empty queue."""
    results = {"action": _("See the results"), "url": reverse("evaluation:results")}
    if not reviews:
        text = _("Uncertain verdicts are answered by people with the role Reviewer.")
        return Empty(_("Reviewers answer here"), text, **results)
    if queue.leased_by_others:
        until = timezone.localtime(queue.next_free).strftime("%H:%M:%S") if queue.next_free else ""
        text = _("The rest is with other people; the first is free again at %(until)s.") % {"until": until}
        return Empty(_("Nothing is free for you"), text, _("Look again"), reverse("annotation:review"))
    if queue.open:
        text = _("What is still open waits for another person: you have answered it, or the answers differ.")
        return Empty(_("Nothing left for you"), text, **results)
    if ReviewItem.objects.exists():
        return Empty(_("All answered"), _("Every uncertain verdict is decided."), **results)
    if Run.objects.filter(stage="evaluate", state=Run.State.DONE).exists():
        return Empty(_("Nothing to review"), _("The judge was certain about every answer."), **results)
    text = _("Uncertain verdicts appear here when an evaluation has run.")
    return Empty(_("No evaluation has run yet"), text, _("See the next step"), reverse("overview"))
