"""Corpora and prompts as they came, with the responses to them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


def filled(table: str, name: str) -> models.Index:
    """An index of a column that few rows fill: the others, as imported, cost nothing."""
    return models.Index(fields=[name], name=f"{table}_{name}", condition=models.Q(**{f"{name}__isnull": False}))


class Corpus(models.Model):
    """An imported dataset, or the home of generated prompts."""

    class Role(models.TextChoices):
        ALIGNMENT = "alignment", _("Alignment")
        BENCHMARK = "benchmark", _("Benchmark")
        GENERAL = "general", _("General")

    name = models.CharField(max_length=120, unique=True)
    format = models.CharField(max_length=40)
    role = models.CharField(max_length=12, choices=Role)
    split = models.CharField(max_length=20, blank=True)
    licence = models.CharField(max_length=80, blank=True)
    exportable = models.BooleanField(default=True)
    file_name = models.CharField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    mapping = models.JSONField(default=dict)  # how the columns of a file of no known format were read
    withdrawn = models.DateTimeField(null=True)  # since when its texts are blanked
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class ColumnMapping(models.Model):
    """How a team read the columns of a file, offered again for the next file with the same columns."""

    columns_key = models.CharField(max_length=64, unique=True)  # sha256 of the sorted column names
    mapping = models.JSONField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    updated = models.DateTimeField(auto_now=True)


class Upload(models.Model):
    """A file on its way from a browser, piece by piece; its bytes so far lie in a file of the token's name."""

    token = models.CharField(max_length=32, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=120)
    size = models.BigIntegerField()  # bytes of the whole file, as the browser declared
    modified = models.BigIntegerField(default=0)  # milliseconds since 1970, as the browser declared; 0 if it did not
    head_sha256 = models.CharField(max_length=64, blank=True)  # of its first bytes
    path = models.CharField(max_length=300, blank=True)  # where the whole file is kept, once it is whole
    created = models.DateTimeField(auto_now_add=True)


class Prompt(models.Model):
    """One instruction, its text as it came. Its state is the only thing that later stages change."""

    class State(models.TextChoices):
        ACTIVE = "active", _("In use")
        DUPLICATE = "duplicate", _("Duplicate")
        OVERLAP = "overlap", _("Overlaps a benchmark")
        REJECTED = "rejected", _("Rejected by balancing")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    class Origin(models.TextChoices):
        IMPORTED = "imported", _("Imported")
        GENERATED = "generated", _("Generated")

    corpus = models.ForeignKey(Corpus, on_delete=models.PROTECT, related_name="prompts", db_index=False)
    key = models.BinaryField(max_length=16)  # see annotation.text.prompt_key
    text = models.TextField()
    folded = models.TextField(default="")  # annotation.text.folded: for search only, never shown
    language = models.CharField(max_length=8)
    source_id = models.CharField(max_length=64, blank=True)
    scenario = models.CharField(max_length=80, blank=True)
    attack_type = models.CharField(max_length=40, blank=True)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.IMPORTED)
    payload = models.JSONField(default=dict)  # options, answer, id … of a benchmark row
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    state_run = models.ForeignKey("core.Run", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    # What it duplicates.
    twin = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    similarity = models.FloatField(null=True)  # to the twin: 0..1, Jaccard of character 3-grams
    run = models.ForeignKey("core.Run", null=True, on_delete=models.PROTECT, related_name="+")  # that brought it
    generation = models.ForeignKey(
        "core.Generation", to_field="call_key", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    parents = models.JSONField(default=list)  # ids of the prompts it was generated from

    class Meta:
        # The key first: the planner may not take another index of corpora for it (core.bulk.found).
        constraints = [models.UniqueConstraint(fields=["key", "corpus"], name="prompt_once_per_corpus")]
        indexes = [
            models.Index(fields=["state", "id"], name="prompt_state"),
            models.Index(fields=["corpus", "id"], name="prompt_corpus"),
            *(filled("prompt", name) for name in ("state_run", "twin", "generation")),
        ]


class Response(models.Model):
    """One answer to a prompt."""

    class Origin(models.TextChoices):
        IMPORTED = "imported", _("Imported")
        REGENERATED = "regenerated", _("Regenerated")

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="responses", db_index=False)
    key = models.BinaryField(max_length=16)
    text = models.TextField()
    kind = models.CharField(max_length=40, blank=True)  # reply, positive, negative, as the source names it
    origin = models.CharField(max_length=12, choices=Origin, default=Origin.IMPORTED)
    run = models.ForeignKey("core.Run", null=True, on_delete=models.PROTECT, related_name="+")
    generation = models.ForeignKey(
        "core.Generation", to_field="call_key", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "key"], name="response_once_per_prompt")]
        indexes = [filled("response", "generation")]


class RejectedImport(models.Model):
    """A row of a file that could not be imported, and why."""

    run = models.ForeignKey("core.Run", on_delete=models.CASCADE, related_name="+")
    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="rejects")
    file = models.CharField(max_length=200, blank=True)  # the member of an archive or folder, else the file
    row = models.PositiveIntegerField()
    field = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=300)
    raw = models.TextField(blank=True, default="")  # the row as JSON, to be corrected; "" where it was too large
    corrected = models.ForeignKey("core.Run", null=True, on_delete=models.PROTECT, related_name="+")  # that did

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "corpus", "file", "row"], name="reject_once_per_row")]


class DataVersion(models.Model):
    """One row that counts changes and removals of stored prompts, which no newest id can tell."""

    changes = models.PositiveBigIntegerField(default=0)
