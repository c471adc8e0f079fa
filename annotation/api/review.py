"""The review queue: a seat is leased to one person, who sees nothing of others' judgement before their own answer."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import reviewing
from annotation.models import Judgement, Seat
from annotation.selectors import seat_taken_since
from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import Conflict
from madsafe_web.core.api.fields import Body, Choice, Whole
from madsafe_web.core.api.paging import LARGEST_ID
from madsafe_web.core.api.views import ApiView, NoBody

LOST = "Your time for that item was over and somebody else has it, or it is answered."


class QueueShown(serializers.Serializer[Any]):
    """The queue as one person sees it, in items."""

    open = serializers.IntegerField(help_text="Wait for somebody.")
    free = serializers.IntegerField(help_text="Can be taken now.")
    leased_by_others = serializers.IntegerField()
    answered_by_me = serializers.IntegerField(help_text="Open ones that wait for somebody else.")
    done = serializers.IntegerField(help_text="One's own answers.")
    total = serializers.IntegerField(help_text="Those, and what may still come.")
    next_free = serializers.DateTimeField(allow_null=True)


class SeatShown(serializers.Serializer[Any]):
    """An item to answer. What the judge and others hold of it is not among this."""

    seat = serializers.IntegerField(source="pk")
    token = serializers.IntegerField(help_text="Shows that the seat is still yours.")
    leased_until = serializers.DateTimeField(source="lease_until", allow_null=True)
    prompt = serializers.CharField(source="item.prompt")
    response = serializers.CharField(source="item.response", allow_blank=True)
    language = serializers.CharField(source="item.language", allow_blank=True)
    corpus = serializers.CharField(source="item.source", allow_blank=True, help_text="Name of the corpus.")
    category = serializers.CharField(source="item.category.code", default=None, allow_null=True)


class Taken(serializers.Serializer[Any]):
    item = SeatShown(allow_null=True, help_text="null: nothing is free for you.")
    queue = QueueShown()


class Stored(serializers.Serializer[Any]):
    answer = serializers.ChoiceField(choices=Judgement.Answer.choices)
    judge = serializers.CharField(allow_blank=True, help_text="What the judge held of it: only now to be seen.")
    model = serializers.CharField(allow_blank=True, help_text="Whose response it was.")
    queue = QueueShown()


class SeatBody(Body):
    seat = Whole(min_value=1, max_value=LARGEST_ID)
    token = Whole(max_value=2**31 - 1)


class AnswerBody(SeatBody):
    answer = Choice(choices=Judgement.Answer.choices)


class Review(ApiView):
    @extend_schema(operation_id="review_get", responses=QueueShown)
    def get(self, request: Request) -> Response:
        """Show how the queue stands. Takes no seat."""
        return Response(QueueShown(reviewing.queue_state(self.user)).data)


class ReviewWrite(ApiView):
    write_right = "review"

    def taken(self, seat: Seat | None) -> Response:
        return Response(Taken({"item": seat, "queue": reviewing.queue_state(self.user)}).data)

    def check(self, wanted: dict[str, Any]) -> None:
        """Raises Conflict for a seat that went to somebody else since, Http404 for one that was never this person's."""
        if scoped(self.user, Seat).filter(pk=wanted["seat"]).exists():
            return
        if seat_taken_since(wanted["seat"], wanted["token"]):
            raise Conflict(LOST)
        raise Http404


class ReviewTake(ReviewWrite):
    @extend_schema(operation_id="review_take", request=NoBody, responses=Taken)
    def post(self, request: Request) -> Response:
        """Take the next item for five minutes, or keep the one that one holds."""
        self.body(NoBody)
        return self.once(lambda: self.taken(reviewing.seat_claim(self.user)))


class ReviewAnswer(ReviewWrite):
    body_names = True

    @extend_schema(operation_id="review_answer", request=AnswerBody, responses=Stored)
    def post(self, request: Request) -> Response:
        """Answer an item that one has taken."""
        wanted = self.body(AnswerBody)
        self.check(wanted)
        return self.once(lambda: self.answer(wanted))

    def answer(self, wanted: dict[str, Any]) -> Response:
        try:
            judgement = reviewing.seat_answer(self.user, wanted["seat"], wanted["token"], wanted["answer"])
        except reviewing.LeaseOver:
            raise Conflict(LOST) from None
        hidden = judgement.seat.item.hidden
        shown = {
            "answer": judgement.answer,
            "judge": hidden.get("judge", ""),
            "model": hidden.get("model", ""),
            "queue": reviewing.queue_state(self.user),
        }
        return Response(Stored(shown).data)


class ReviewSkip(ReviewWrite):
    body_names = True

    @extend_schema(operation_id="review_skip", request=SeatBody, responses=QueueShown)
    def post(self, request: Request) -> Response:
        """Give an item back, to be offered after all others."""
        wanted = self.body(SeatBody)
        self.check(wanted)
        return self.once(lambda: self.skip(wanted))

    def skip(self, wanted: dict[str, Any]) -> Response:
        try:
            reviewing.seat_skip(self.user, wanted["seat"], wanted["token"])
        except reviewing.LeaseOver:
            raise Conflict(LOST) from None
        return Response(QueueShown(reviewing.queue_state(self.user)).data)


class ReviewUndo(ReviewWrite):
    @extend_schema(operation_id="review_undo", request=NoBody, responses=Taken)
    def post(self, request: Request) -> Response:
        """Take back one's newest answer: the item is one's own again. `item` is null without an answer."""
        self.body(NoBody)
        return self.once(lambda: self.taken(reviewing.review_undo(self.user)))
