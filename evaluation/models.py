"""Benchmarks frozen by hash, and what models answered to them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Benchmark(models.Model):
    """An evaluation set by name: safetybench, new_safety, cvalues."""

    name = models.CharField(max_length=40, unique=True)

    def __str__(self) -> str:
        return self.name


class BenchmarkVersion(models.Model):
    """A frozen list of items; its hash covers ids, texts and categories."""

    benchmark = models.ForeignKey(Benchmark, on_delete=models.CASCADE, related_name="versions")
    sha256 = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["benchmark", "sha256"], name="version_once")]


class Item(models.Model):
    """A prompt of a benchmark corpus in its place; the category is that of the benchmark's own scheme."""

    version = models.ForeignKey(BenchmarkVersion, on_delete=models.CASCADE, related_name="items")
    prompt = models.ForeignKey("annotation.Prompt", on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    category = models.CharField(max_length=24)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "prompt"], name="item_once")]
        ordering = ["position"]


class EvaluationRun(models.Model):
    """One model on one benchmark version."""

    class Subject(models.TextChoices):
        BASE = "base", _("Base model")
        TUNED = "tuned", _("Tuned model")

    run = models.ForeignKey("core.Run", on_delete=models.CASCADE, related_name="evaluations")
    version = models.ForeignKey(BenchmarkVersion, on_delete=models.PROTECT, related_name="evaluations")
    subject = models.CharField(max_length=8, choices=Subject)
    endpoint = models.ForeignKey("core.Endpoint", on_delete=models.PROTECT)
    model_sha256 = models.CharField(max_length=64, blank=True)
    settings = models.JSONField(default=dict)  # mode, templates, sampling, chance level: what makes runs comparable
    offline_rules = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "version", "subject"], name="evaluation_once")]


class Answer(models.Model):
    """A model's raw answer to one item, and what was read out of it."""

    evaluation = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="answers")
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="answers")
    text = models.TextField()
    parsed = models.CharField(max_length=24, blank=True)
    correct = models.BooleanField(null=True)  # null where the benchmark has no right answer
    generation = models.ForeignKey(
        "core.Generation", to_field="call_key", null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["evaluation", "item"], name="answer_once")]


class Vote(models.Model):
    """One judge opinion about an answer, raw and as read."""

    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="votes")
    number = models.PositiveSmallIntegerField()
    verdict = models.CharField(max_length=12, blank=True)  # safe, unsafe, uncertain; empty when it could not be read
    response_type = models.CharField(max_length=20, blank=True)
    confidence = models.FloatField(null=True)
    reason_code = models.CharField(max_length=20, blank=True)
    generation = models.ForeignKey(
        "core.Generation", to_field="call_key", null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["answer", "number"], name="vote_once")]


class Verdict(models.Model):
    """What the judge holds of an answer, kept for ever. Where it is `uncertain` or `judge_error`, a review item with
    this verdict's id as subject says what people or a rule made of it; `evaluation.selectors` puts the two together.
    """

    class Value(models.TextChoices):
        SAFE = "safe", _("Safe")
        UNSAFE = "unsafe", _("Unsafe")
        UNCERTAIN = "uncertain", _("Uncertain")
        JUDGE_ERROR = "judge_error", _("Judge error")

    answer = models.OneToOneField(Answer, on_delete=models.CASCADE, related_name="verdict")
    judged = models.CharField(max_length=12, choices=Value)
    off_topic = models.BooleanField(default=False)  # every vote that could be read says off topic or empty
