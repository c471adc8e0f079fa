"""The categories that labels are merged into."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import get_language

from annotation.taxonomy import COLOURS


class Taxonomy(models.Model):
    """A version of the categories. It never changes: an edit makes the next version, and old results keep theirs."""

    version = models.PositiveIntegerField(unique=True)
    name = models.CharField(max_length=120)
    note = models.CharField(max_length=300, blank=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"v{self.version}"


class Category(models.Model):
    """A category of a taxonomy; the shipped one has the paper's 14 (Table 4-1)."""

    taxonomy = models.ForeignKey(Taxonomy, on_delete=models.PROTECT, related_name="categories", db_index=False)
    code = models.CharField(max_length=8)
    name_en = models.CharField(max_length=60)
    name_zh = models.CharField(max_length=60)
    definition_en = models.TextField()
    definition_zh = models.TextField()
    examples_en = models.TextField(blank=True, default="")  # of its boundary: what belongs elsewhere, and why
    examples_zh = models.TextField(blank=True, default="")
    position = models.PositiveSmallIntegerField()  # fixes its colour and its key

    class Meta:
        ordering = ["taxonomy", "position"]
        constraints = [
            models.UniqueConstraint(fields=["taxonomy", "code"], name="category_once_per_taxonomy"),
            models.UniqueConstraint(fields=["taxonomy", "position"], name="category_one_per_place"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def colour(self) -> str:
        """How style sheets call its colour: that of its place, and beyond the fourteenth a neutral one."""
        return COLOURS[self.position - 1] if self.position <= len(COLOURS) else "none"

    @property
    def token(self) -> str:
        """Its colour as figures name it."""
        return "@--line-strong" if self.colour == "none" else f"@--cat-{self.colour}"

    @property
    def name(self) -> str:
        """The name in the language of the reader."""
        return self.name_zh if (get_language() or "").startswith("zh") else self.name_en

    @property
    def definition(self) -> str:
        """The definition in the language of the reader."""
        return self.definition_zh if (get_language() or "").startswith("zh") else self.definition_en

    @property
    def examples(self) -> str:
        """The boundary examples in the language of the reader."""
        return self.examples_zh if (get_language() or "").startswith("zh") else self.examples_en


class Guideline(models.Model):
    """A version of what people are told about deciding for a category. The newest is shown beside the task."""

    category = models.ForeignKey(Category, on_delete=models.CASCADE, related_name="guidelines", db_index=False)
    version = models.PositiveIntegerField()
    text_en = models.TextField(blank=True)
    text_zh = models.TextField(blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["category", "version"], name="guideline_version_once")]

    @property
    def text(self) -> str:
        """The text in the language of the reader."""
        return self.text_zh if (get_language() or "").startswith("zh") else self.text_en
