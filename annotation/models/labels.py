"""The labels that models gave to prompts, and what is known about them before anybody decides."""

from __future__ import annotations

from django.db import models

from annotation.models.corpora import Prompt
from annotation.models.taxonomy import Category


class IntentLabel(models.Model):
    """A raw label as a model wrote it; spellings with the same key are one label."""

    key = models.CharField(max_length=200, unique=True)  # madsafe_web.core.llm.parse.label_key
    name = models.CharField(max_length=1000)  # as it was first written
    language = models.CharField(max_length=8)

    def __str__(self) -> str:
        return self.name


class LabelSpelling(models.Model):
    """One way in which a label was written."""

    label = models.ForeignKey(IntentLabel, on_delete=models.CASCADE, related_name="spellings", db_index=False)
    text = models.CharField(max_length=1000)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["label", "text"], name="spelling_once")]


class PromptIntent(models.Model):
    """A label of a prompt, given by a run; never changed. Position 0 is what the model named first."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="intents")
    label = models.ForeignKey(IntentLabel, on_delete=models.PROTECT, related_name="intents")
    run = models.ForeignKey("core.Run", on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "label", "run"], name="intent_once_per_run")]


class LabelSuggestion(models.Model):
    """What a model would decide about a label; a person or a rule decides."""

    label = models.ForeignKey(IntentLabel, on_delete=models.CASCADE, related_name="suggestions")
    run = models.ForeignKey("core.Run", on_delete=models.PROTECT, related_name="+")
    category = models.ForeignKey(Category, null=True, on_delete=models.PROTECT)  # null: no safety category, drop
    confidence = models.FloatField()  # 0..1

    class Meta:
        constraints = [models.UniqueConstraint(fields=["label", "run"], name="suggestion_once_per_run")]


class LabelPair(models.Model):
    """Evidence of a run of stage `propose` that two labels may mean the same. It only proposes: people decide."""

    run = models.ForeignKey("core.Run", on_delete=models.CASCADE, related_name="+")
    first = models.ForeignKey(IntentLabel, on_delete=models.CASCADE, related_name="+", db_index=False)
    second = models.ForeignKey(IntentLabel, on_delete=models.CASCADE, related_name="+", db_index=False)
    letter = models.CharField(max_length=1)  # A same name, B similar name, C same prompts
    kind = models.CharField(max_length=20)  # the proposer
    weight = models.FloatField()  # 0..1

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "first", "second", "kind"], name="pair_once_per_run")]


class LabelPlace(models.Model):
    """Where a run of stage `propose` put a label in the reading order, and its prompts worth showing."""

    run = models.ForeignKey("core.Run", on_delete=models.CASCADE, related_name="+")
    label = models.ForeignKey(IntentLabel, on_delete=models.CASCADE, related_name="+", db_index=False)
    place = models.PositiveIntegerField()
    examples = models.JSONField(default=list)  # ids of prompts: the most central first, then the most unlike

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "label"], name="place_once_per_run")]
