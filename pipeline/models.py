"""Scores, alignment sets and training runs."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Score(models.Model):
    """One figure about a prompt, or about one of its responses, by one scorer version."""

    class Kind(models.TextChoices):
        PERPLEXITY = "perplexity", _("Perplexity")
        RESPONSE_SAFETY = "response_safety", _("Response safety")
        INSTRUCTION_SAFETY = "instruction_safety", _("Instruction safety")

    kind = models.CharField(max_length=20, choices=Kind)
    prompt = models.ForeignKey("annotation.Prompt", on_delete=models.CASCADE, related_name="scores")
    response = models.ForeignKey("annotation.Response", null=True, on_delete=models.CASCADE, related_name="scores")
    scorer = models.CharField(max_length=64)  # model and version that gave it
    # perplexity: mean negative log-likelihood in nats per token (>= 0); the safeties: 0..1, higher is safer
    value = models.FloatField(null=True)
    detail = models.JSONField(default=dict)  # tokens, truncated; both orders of the pair; who answered_by
    run = models.ForeignKey("core.Run", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "prompt", "scorer"], condition=models.Q(response=None), name="score_once_per_prompt"
            ),
            models.UniqueConstraint(
                fields=["kind", "response", "scorer"],
                condition=models.Q(response__isnull=False),
                name="score_once_per_response",
            ),
        ]


class AlignmentSet(models.Model):
    """A selection of samples with its rule and counts; frozen, it never changes again."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        FROZEN = "frozen", _("Frozen")

    name = models.CharField(max_length=120)
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    rule = models.JSONField(default=dict)
    counts = models.JSONField(default=dict)
    merge_map = models.ForeignKey("annotation.MergeMap", null=True, on_delete=models.PROTECT)
    run = models.OneToOneField("core.Run", on_delete=models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64, blank=True)  # of the frozen file, one sample a line
    file = models.CharField(max_length=200, blank=True)  # relative to the var folder
    offline_rules = models.BooleanField(default=False)
    withdrawn = models.PositiveIntegerField(default=0)  # samples whose corpus was withdrawn since
    created = models.DateTimeField(auto_now_add=True)
    frozen = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class AlignmentSample(models.Model):
    """One prompt with one response in a set, and the scores it was chosen by."""

    class Kind(models.TextChoices):
        SAFETY = "safety", _("Safety")
        GENERAL = "general", _("General")

    alignment_set = models.ForeignKey(AlignmentSet, on_delete=models.CASCADE, related_name="samples")
    prompt = models.ForeignKey("annotation.Prompt", on_delete=models.PROTECT, related_name="+")
    response = models.ForeignKey("annotation.Response", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    category = models.CharField(max_length=8, blank=True)
    scores = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["alignment_set", "prompt"], name="sample_one_response_per_prompt")
        ]


class TrainingRun(models.Model):
    """One LLaMA-Factory training: its configuration, its process, what came out."""

    run = models.OneToOneField("core.Run", on_delete=models.CASCADE, related_name="training")
    alignment_set = models.ForeignKey(AlignmentSet, on_delete=models.PROTECT, related_name="trainings")
    base_model = models.CharField(max_length=300)
    base_sha256 = models.CharField(max_length=64, blank=True)
    folder = models.CharField(max_length=200)  # relative to the var folder
    config = models.JSONField(default=dict)
    pid = models.PositiveIntegerField(null=True)
    pid_started = models.FloatField(null=True)  # tells a reused process id from ours
    launches = models.PositiveSmallIntegerField(default=0)
    heartbeat = models.DateTimeField(null=True)
    log_offset = models.PositiveBigIntegerField(default=0)
    tuned_sha256 = models.CharField(max_length=64, blank=True)


class LossPoint(models.Model):
    """One logged step of the loss curve."""

    training = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="points")
    step = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    loss = models.FloatField()
    lr = models.FloatField(null=True)
    epoch = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["training", "step"], name="losspoint_once_per_step")]
        ordering = ["step"]
