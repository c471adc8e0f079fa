"""The categories with what is told about them, and what changed between versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from annotation.models import Category, Guideline, Taxonomy
from annotation.selectors import categories, guidelines_newest, taxonomy_newest
from annotation.taxonomies import rows_of
from madsafe_web.core.access import can
from madsafe_web.core.keys import CATEGORY_KEYS
from madsafe_web.core.llm.editing import diffing
from madsafe_web.core.models import User

Context = dict[str, Any]  # Any: a template's context


@dataclass(frozen=True, slots=True)
class Shown:
    """A category as the page has it; `action` names its key, "" beyond the fourteenth."""

    category: Category
    action: str
    guideline: Guideline | None


def taxonomy_context(user: User, taxonomy: Taxonomy, versions: Sequence[Taxonomy]) -> Context:
    """One version of the taxonomy beside the list of all, in two queries."""
    guidelines, newest = guidelines_newest(taxonomy), versions[0]
    rows = [
        Shown(
            category=one,
            action=f"merge-category-{one.position}" if one.position <= len(CATEGORY_KEYS) else "",
            guideline=guidelines.get(one.code),
        )
        for one in categories(taxonomy)
    ]
    return {
        "taxonomy": taxonomy,
        "rows": rows,
        "versions": versions,
        "newest": newest,
        "is_newest": taxonomy.pk == newest.pk,
        "may_edit": can(user, "publish"),
    }


def told(taxonomy: Taxonomy) -> str:
    """All that a version says, as lines that can be compared."""
    found = []
    for row in rows_of(taxonomy):
        found += [f"{row.code}  {row.name_en} · {row.name_zh}", f"    {row.definition_en}", f"    {row.definition_zh}"]
        found += [f"    – {line}" for text in (row.examples_en, row.examples_zh) for line in text.splitlines()]
    return "\n".join(found)


def difference(old: Taxonomy, new: Taxonomy) -> list[diffing.Line]:
    return diffing.lines(told(old), told(new))


@dataclass(frozen=True, slots=True)
class Written:
    """A version of a guideline beside the one before it."""

    version: int
    author: str
    created: datetime
    lines: list[diffing.Line]


def guideline_context(user: User, category: Category, guideline: Guideline | None) -> Context:
    """One category with its newest guideline, made to stand beside the work."""
    is_newest = category.taxonomy_id == taxonomy_newest().pk
    return {"category": category, "guideline": guideline, "may_edit": is_newest and can(user, "publish")}


def history(rows: Sequence[Guideline]) -> list[Written]:
    """The versions of a guideline, newest first, each with what it changed. `rows`: oldest first."""
    found, before = [], ""
    for one in rows:
        text = "\n\n".join((one.text_en, one.text_zh)).strip()
        author = one.author.username if one.author else ""
        found.append(Written(one.version, author, one.created, diffing.lines(before, text)))
        before = text
    return found[::-1]
