"""Corpora and prompts as they came, the labels models gave them, and what people decided about both."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import get_language
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


class IntentLabel(models.Model):
    """A raw label as a model wrote it; spellings with the same key are one label."""

    key = models.CharField(max_length=200, unique=True)  # madsafe_web.core.llm.parse.label_key
    name = models.CharField(max_length=60)
    language = models.CharField(max_length=8)

    def __str__(self) -> str:
        return self.name


class PromptIntent(models.Model):
    """A label of a prompt, given by a run; never changed. Position 0 is what the model named first."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="intents")
    label = models.ForeignKey(IntentLabel, on_delete=models.PROTECT, related_name="intents")
    run = models.ForeignKey("core.Run", on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "label", "run"], name="intent_once_per_run")]


class Category(models.Model):
    """One of the 14 categories (paper, Table 4-1)."""

    code = models.CharField(max_length=8, unique=True)
    name_en = models.CharField(max_length=60)
    name_zh = models.CharField(max_length=60)
    definition_en = models.TextField()
    definition_zh = models.TextField()
    position = models.PositiveSmallIntegerField(unique=True)  # fixes its colour and its key

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return self.code

    @property
    def name(self) -> str:
        """The name in the language of the reader."""
        return self.name_zh if (get_language() or "").startswith("zh") else self.name_en

    @property
    def definition(self) -> str:
        """The definition in the language of the reader."""
        return self.definition_zh if (get_language() or "").startswith("zh") else self.definition_en


class LabelSuggestion(models.Model):
    """What a model would decide about a label; a person or a rule decides."""

    label = models.ForeignKey(IntentLabel, on_delete=models.CASCADE, related_name="suggestions")
    run = models.ForeignKey("core.Run", on_delete=models.PROTECT, related_name="+")
    category = models.ForeignKey(Category, null=True, on_delete=models.PROTECT)  # null: no safety category, drop
    confidence = models.FloatField()  # 0..1

    class Meta:
        constraints = [models.UniqueConstraint(fields=["label", "run"], name="suggestion_once_per_run")]


class MergeMap(models.Model):
    """A version of label → category. Every reader names the version it used; a published one never changes."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")

    version = models.PositiveIntegerField(unique=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
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
    """What a map says about one label: a category, dropped, or (decided by nobody) undecided."""

    merge_map = models.ForeignKey(MergeMap, on_delete=models.CASCADE, related_name="entries")
    label = models.ForeignKey(IntentLabel, on_delete=models.PROTECT, related_name="entries")
    category = models.ForeignKey(Category, null=True, on_delete=models.PROTECT)
    dropped = models.BooleanField(default=False)
    decided_by = models.CharField(max_length=8, choices=DecidedBy, blank=True, default=DecidedBy.NOBODY)
    revision = models.PositiveIntegerField(default=0)  # optimistic lock, +1 per decision

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merge_map", "label"], name="mapentry_one_per_label"),
            models.CheckConstraint(
                condition=models.Q(dropped=False) | models.Q(category=None), name="mapentry_dropped_has_no_category"
            ),
        ]


class LabelOperation(models.Model):
    """One step of the merge history with what undoes it. Rows are only added: an undo is a step of its own."""

    class Kind(models.TextChoices):
        DO = "do", _("Decided")
        UNDO = "undo", _("Undone")
        REDO = "redo", _("Redone")

    kind = models.CharField(max_length=4, choices=Kind, default=Kind.DO)
    merge_map = models.ForeignKey(MergeMap, on_delete=models.CASCADE, related_name="operations")
    label = models.ForeignKey(IntentLabel, on_delete=models.PROTECT)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT)
    by = models.CharField(max_length=8, choices=DecidedBy)
    before = models.JSONField()  # {"target": category code, "DROP" or "" for undecided, "by": who}
    after = models.JSONField()
    undoes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="undone_by")
    created = models.DateTimeField(auto_now_add=True)


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


class DataVersion(models.Model):
    """One row that counts changes and removals of stored prompts, which no newest id can tell."""

    changes = models.PositiveBigIntegerField(default=0)
