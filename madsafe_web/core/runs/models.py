"""Run, Chunk, RunRow: what is to be done, who is doing which part, and how each row ended."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from madsafe_web.core.runs.stage import Outcome


class Run(models.Model):
    """One execution of a stage with frozen parameters."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Not started")
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        PAUSING = "pausing", _("Pausing")
        PAUSED = "paused", _("Paused")
        NEEDS_PEOPLE = "needs_people", _("Needs people")
        OVER_BUDGET = "over_budget", _("Over budget")
        CANCELLING = "cancelling", _("Cancelling")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Failed")
        LOST = "lost", _("Lost")
        DONE = "done", _("Done")

    stage = models.CharField(max_length=40)
    params = models.JSONField(default=dict)
    templates = models.JSONField(default=dict)  # fixed at its start: name of a prompt template → sha256 of its text
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    # A declared chain of runs: its name with the hash of its configuration, and this run's place in it.
    chain = models.CharField(max_length=80, blank=True)
    step = models.PositiveSmallIntegerField(default=0)
    total = models.PositiveIntegerField(null=True)  # rows to read, where known before the work
    outputs = models.JSONField(default=dict)  # what the run made, by name: {"set": 3, "sha256": "…"}
    error = models.TextField(blank=True)  # one sentence for people: what happened, what was kept, what to do
    offline_rules = models.BooleanField(default=False)  # its output comes from the offline rules: never to be published
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT)
    actor_name = models.CharField(max_length=150)
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True)
    # The newest start or resume, and what had been read by then: the rate is that of the work since.
    resumed = models.DateTimeField(null=True)
    read_before = models.PositiveIntegerField(default=0)
    finished = models.DateTimeField(null=True)
    # For how many seconds it was at work before the newest start or resume, and when it came to rest since.
    worked = models.FloatField(default=0.0)
    rested = models.DateTimeField(null=True)
    # The most that it may use: calls, tokens, millionths of the currency's unit, seconds of work. None is no limit.
    most_calls = models.PositiveBigIntegerField(null=True)
    most_tokens = models.PositiveBigIntegerField(null=True)
    most_cost = models.PositiveBigIntegerField(null=True)
    most_seconds = models.PositiveBigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)  # of its endpoints' prices, "" where they have none
    deadline = models.DateTimeField(null=True)  # by the clock of the database: no call begins after it
    shared_cache = models.BooleanField(default=True)  # whether replies that other runs stored answer its calls

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain", "step"], condition=~models.Q(chain=""), name="run_one_per_step_of_a_chain"
            )
        ]
        indexes = [models.Index(fields=["stage", "state"], name="run_stage_state")]

    def __str__(self) -> str:
        return f"{self.stage} #{self.pk}"


class Chunk(models.Model):
    """A slice of a run, worked on by whoever holds its lease; its counts grow in the transaction that writes rows."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        LEASED = "leased", _("In work")
        DONE = "done", _("Done")

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="chunks")
    seq = models.PositiveIntegerField()
    subjects = models.JSONField()  # the frozen keys of its rows
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)  # by the clock of the database
    attempts = models.PositiveSmallIntegerField(default=0)
    cursor = models.JSONField(default=dict)  # where a streaming stage goes on after a kill
    read = models.PositiveIntegerField(default=0)
    kept = models.PositiveIntegerField(default=0)
    duplicate = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    finished = models.DateTimeField(null=True)
    # What its calls used: core.runs.usage.
    calls = models.PositiveBigIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    cost = models.PositiveBigIntegerField(default=0)  # millionths of the currency's unit
    throttled = models.PositiveBigIntegerField(default=0)  # answers of the kind "too many requests"

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "seq"], name="chunk_one_per_place"),
            models.CheckConstraint(
                condition=models.Q(
                    read=models.F("kept") + models.F("duplicate") + models.F("rejected") + models.F("failed")
                ),
                name="chunk_counts_add_up",
            ),
        ]
        indexes = [models.Index(fields=["run", "state", "seq"], name="chunk_claim")]


class RunRow(models.Model):
    """How one row of a run ended, written when it ends."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="rows")
    subject = models.CharField(max_length=40)
    outcome = models.CharField(max_length=16, choices=[(o.value, o.value) for o in Outcome])
    error_class = models.CharField(max_length=40, blank=True)
    message = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "subject"], name="runrow_one_per_subject")]
        indexes = [models.Index(fields=["run", "outcome", "error_class"], name="runrow_ended")]


class RowTrail(models.Model):
    """What is kept of a row that failed with a reply, was refused by a provider, or is to be worked on once more.

    Also of a row of a file that was rejected: how it came.
    """

    class Once(models.TextChoices):
        """What is to be done with a row taken back: ask anew where its stored reply gives nothing, or only read it."""

        NO = "", ""
        ASK = "ask", "ask"
        READ = "read", "read"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="trails")
    subject = models.CharField(max_length=40)
    reply = models.CharField(max_length=32, blank=True)  # key of the last reply (Generation), "" without one
    refused_by = models.CharField(max_length=60, blank=True)  # the first endpoint whose provider refused
    answered_by = models.CharField(max_length=60, blank=True)  # its fallback that did not
    again = models.PositiveSmallIntegerField(default=0)  # how often it was asked anew for want of anything to read
    once = models.CharField(max_length=4, choices=Once, blank=True, default=Once.NO)
    raw = models.TextField(blank=True, default="", db_default="")  # of a rejected row; "" where it was too large

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "subject"], name="rowtrail_one_per_subject")]
        indexes = [
            models.Index(fields=["run"], name="rowtrail_once", condition=~models.Q(once="")),
            models.Index(fields=["run"], name="rowtrail_refused", condition=~models.Q(refused_by="")),
        ]


class BudgetSlice(models.Model):
    """What one worker may still use of a run's budget. It counts while its owner holds a living lease on a chunk."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="slices")
    owner = models.CharField(max_length=120)
    calls = models.PositiveBigIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(default=0)
    cost = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "owner"], name="slice_one_per_owner")]


class RunNotice(models.Model):
    """A run that came to rest, told to the person who started it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="notices")
    state = models.CharField(max_length=16, choices=Run.State)  # the one it came to rest in
    at = models.DateTimeField(auto_now_add=True)
    seen = models.BooleanField(default=False)
    # When it is to be sent by e-mail or webhook; none when that is done, given up or not wanted.
    mail_due = models.DateTimeField(null=True)
    hook_due = models.DateTimeField(null=True)
    mail_tries = models.PositiveSmallIntegerField(default=0)
    hook_tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["user", "-id"], name="runnotice_newest")]


class RunEvent(models.Model):
    """A line of a run's log."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    text = models.CharField(max_length=500)

    class Meta:
        indexes = [models.Index(fields=["run", "-id"], name="runevent_newest")]
