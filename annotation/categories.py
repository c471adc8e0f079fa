"""The taxonomy as text for prompts."""

from __future__ import annotations

from annotation.models import Category
from madsafe_web.core.models import Run


def definitions_context(run: Run) -> dict[str, str]:
    """One line a category, code and definition, by language."""
    rows = list(Category.objects.all())
    return {
        "zh": "\n".join(f"{row.code} {row.name_zh}：{row.definition_zh}" for row in rows),
        "en": "\n".join(f"{row.code} {row.name_en}: {row.definition_en}" for row in rows),
    }
