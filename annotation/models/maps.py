"""What people decide about labels, and every step of it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.labels import IntentLabel
from annotation.models.taxonomy import Category, Taxonomy


class MergeMap(models.Model):
    """A version of label → category. Every reader names the version it used; a published one never changes."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")

    version = models.PositiveIntegerField(unique=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    taxonomy = models.ForeignKey(Taxonomy, on_delete=models.PROTECT, related_name="+")
    # Ids of the labelling runs whose links of prompts to labels it reads (annotation.labelling); [] for all.
    runs = models.JSONField(default=list)
    runs_left = models.JSONField(default=list)  # ids of those it leaves out: replaced by others, or by choice
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=300, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    published = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="draft"), name="one_draft_map")
        ]

    def __str__(self) -> str:
        return f"v{self.version}"


class DecidedBy(models.TextChoices):
    NOBODY = "", _("Undecided")
    PERSON = "person", _("By a person")
    RULE = "rule", _("By rule")


class MapEntry(models.Model):
    """What a map says about one label: a category, dropped, or (decided by nobody) undecided.

    Labels with the same `theme` are one intent under a common name; without one a label stands for itself.
    """

    class Second(models.TextChoices):
        """Where a label stands that two people must decide about, each without seeing the other's answer."""

        NONE = "", _("One person decides")
        WAITING = "waiting", _("Waits for a second person")
        CONFLICT = "conflict", _("Two people disagree")

    merge_map = models.ForeignKey(MergeMap, on_delete=models.CASCADE, related_name="entries")
    label = models.ForeignKey(IntentLabel, on_delete=models.PROTECT, related_name="entries")
    category = models.ForeignKey(Category, null=True, on_delete=models.PROTECT)
    dropped = models.BooleanField(default=False)
    theme = models.CharField(max_length=60, blank=True, default="")
    flagged = models.BooleanField(default=False)  # for the lead to look at
    second = models.CharField(max_length=8, choices=Second, blank=True, default=Second.NONE)
    decided_by = models.CharField(max_length=8, choices=DecidedBy, blank=True, default=DecidedBy.NOBODY)
    revision = models.PositiveIntegerField(default=0)  # optimistic lock, +1 per change

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merge_map", "label"], name="mapentry_one_per_label"),
            models.CheckConstraint(
                condition=models.Q(dropped=False) | models.Q(category=None), name="mapentry_dropped_has_no_category"
            ),
        ]


class LabelOperation(models.Model):
    """One step of the merge history; its changes hold what undoes it. Rows are only added: an undo is a step too.

    `parent` is the person's step before it that stood then: what was undone stays a branch of its own for ever.
    """

    class Kind(models.TextChoices):
        DO = "do", _("Decided")
        UNDO = "undo", _("Undone")
        REDO = "redo", _("Redone")

    class Verb(models.TextChoices):
        ASSIGN = "assign", _("put into a category")
        THEME = "theme", _("gave a common name")
        FLAG = "flag", _("flagged")
        REFUSE = "refuse", _("said: not together")
        COMMENT = "comment", _("commented")
        OPINION = "opinion", _("gave a blind answer")
        SETTLE = "settle", _("settled a disagreement")
        APPLY = "apply", _("applied a file or rules")
        REVERT = "revert", _("took back somebody’s steps")
        WITHDRAW = "withdraw", _("withdrew a rule")

    kind = models.CharField(max_length=4, choices=Kind, default=Kind.DO)
    verb = models.CharField(max_length=8, choices=Verb, default=Verb.ASSIGN)
    merge_map = models.ForeignKey(MergeMap, on_delete=models.CASCADE, related_name="operations")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT)
    by = models.CharField(max_length=8, choices=DecidedBy)
    payload = models.JSONField(default=dict)  # what was asked for: target, theme, pairs, text …
    undoes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="undone_by")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    within = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="parts")  # undone as one
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["merge_map", "actor", "id"], name="operation_of_actor")]


class LabelChange(models.Model):
    """What an operation changed about one label: its entry before and after (annotation.merge.states.EntryState).

    `revision` is that of the entry after the change, so two changes can never build on the same state.
    """

    operation = models.ForeignKey(LabelOperation, on_delete=models.CASCADE, related_name="changes")
    entry = models.ForeignKey(MapEntry, on_delete=models.CASCADE, related_name="changes", db_index=False)
    before = models.JSONField()
    after = models.JSONField()
    revision = models.PositiveIntegerField()
    confidence = models.FloatField(null=True)  # of the suggestion that stood beside the decision, 0..1

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry", "revision"], name="change_once_per_revision")]


class LabelOpinion(models.Model):
    """What one person would decide about a label that needs two; hidden from others until it is settled."""

    entry = models.ForeignKey(MapEntry, on_delete=models.CASCADE, related_name="opinions", db_index=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    target = models.CharField(max_length=8)  # category code or DROP
    operation = models.ForeignKey(LabelOperation, on_delete=models.PROTECT, related_name="opinions")
    undone = models.BooleanField(default=False)
    standing = models.BooleanField(default=True)  # the person's newest that is not undone

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "person"], condition=models.Q(standing=True), name="opinion_one_per_person"
            )
        ]


class RefusedPair(models.Model):
    """Two labels that somebody said do not belong together: no proposal holds both any more."""

    first = models.ForeignKey(IntentLabel, on_delete=models.CASCADE, related_name="+", db_index=False)
    second = models.ForeignKey(IntentLabel, on_delete=models.CASCADE, related_name="+", db_index=False)
    operation = models.ForeignKey(LabelOperation, on_delete=models.PROTECT, related_name="refused")
    standing = models.BooleanField(default=True)  # until it is undone

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["first", "second"], condition=models.Q(standing=True), name="refused_pair_once"
            )
        ]


class LabelComment(models.Model):
    """What somebody noted about a label; it stays with the label through all versions."""

    label = models.ForeignKey(IntentLabel, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.CharField(max_length=500)
    operation = models.OneToOneField(LabelOperation, on_delete=models.PROTECT, related_name="comment")
    standing = models.BooleanField(default=True)  # until it is undone
    created = models.DateTimeField(auto_now_add=True)


class LabelRule(models.Model):
    """A decision about all labels of an exact key: new labels with that key are decided by it, marked "by rule"."""

    keyer = models.CharField(max_length=20)  # annotation.clustering.exact_keys
    key = models.CharField(max_length=200)
    target = models.CharField(max_length=8)  # category code or DROP
    theme = models.CharField(max_length=60, blank=True, default="")
    operation = models.ForeignKey(LabelOperation, on_delete=models.PROTECT, related_name="rules")
    withdrawn = models.ForeignKey(LabelOperation, null=True, on_delete=models.PROTECT, related_name="withdrew")
    standing = models.BooleanField(default=True)  # until it is undone, withdrawn, or another takes its place

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["keyer", "key"], condition=models.Q(standing=True), name="rule_once_per_key"
            )
        ]


class MergePolicy(models.Model):
    """One row: which labels need two people."""

    two_people = models.BooleanField(default=False)
    prompts_from = models.PositiveIntegerField(default=1000)  # labels on as many prompts need two
    confidence_below = models.FloatField(default=0.6)  # and those whose suggestion is less sure


class LabelPresence(models.Model):
    """Which label a person looks at."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    label = models.ForeignKey(IntentLabel, on_delete=models.CASCADE, related_name="+", db_index=False)
    seen = models.DateTimeField(db_index=True)
