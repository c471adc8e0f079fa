"""The taxonomy as text for prompts."""

from __future__ import annotations

from annotation.rows import TaxonomyText
from annotation.selectors import categories, taxonomy_for
from madsafe_web.core.models import Run


def taxonomy_context(run: Run) -> TaxonomyText:
    """One line a category, code, name and definition, by language."""
    rows = list(categories(taxonomy_for(run)))
    text = {
        "zh": "\n".join(f"{row.code} {row.name_zh}：{row.definition_zh}" for row in rows),
        "en": "\n".join(f"{row.code} {row.name_en}: {row.definition_en}" for row in rows),
    }
    return TaxonomyText(tuple(row.code for row in rows), text)
