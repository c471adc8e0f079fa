"""What people judge about responses."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.maps import DecidedBy
from annotation.models.taxonomy import Category


class ReviewItem(models.Model):
    """Something a person must resolve, with a snapshot of what they are shown; or what a rule resolved instead."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        RESOLVED = "resolved", _("Resolved")

    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=40)
    prompt = models.TextField()
    response = models.TextField()
    language = models.CharField(max_length=8, blank=True)
    source = models.CharField(max_length=120, blank=True)  # name of the corpus the prompt came from
    hidden = models.JSONField(default=dict)  # judge, model: shown to a person only after their answer
    category = models.ForeignKey(Category, null=True, on_delete=models.PROTECT)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    resolution = models.CharField(max_length=12, blank=True)  # safe, unsafe
    resolved_by = models.CharField(max_length=8, choices=DecidedBy, blank=True, default=DecidedBy.NOBODY)
    created = models.DateTimeField(auto_now_add=True)
    resolved = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "subject"], name="reviewitem_once")]
        indexes = [models.Index(fields=["state", "id"], name="reviewitem_state")]


class Seat(models.Model):
    """One place in the queue at an item: whoever holds its lease answers; `token` fences off late answers."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        LEASED = "leased", _("Taken")
        ANSWERED = "answered", _("Answered")
        VOID = "void", _("Void")

    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="seats")
    number = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    holder = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT)
    lease_until = models.DateTimeField(null=True)
    token = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)  # sorts seats that were skipped behind the others

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "number"], name="seat_once"),
            # Two seats of an item are two people.
            models.UniqueConstraint(fields=["item", "holder"], name="seat_one_per_person"),
        ]
        indexes = [models.Index(fields=["state", "skipped", "id"], name="seat_claim")]


class Judgement(models.Model):
    """One person's answer about an item; a changed mind is a new row, the newest counts."""

    class Answer(models.TextChoices):
        SAFE = "safe", _("Safe")
        UNSAFE = "unsafe", _("Unsafe")
        CANNOT_TELL = "cannot_tell", _("Cannot tell")

    seat = models.ForeignKey(Seat, on_delete=models.CASCADE, related_name="judgements")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    answer = models.CharField(max_length=12, choices=Answer)
    withdrawn = models.BooleanField(default=False)  # by undo
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["seat"], condition=models.Q(withdrawn=False), name="judgement_one_standing_per_seat"
            )
        ]
