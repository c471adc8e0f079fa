"""A taxonomy as another team may have it."""

from __future__ import annotations

from annotation.models import Taxonomy
from annotation.taxonomies import taxonomy_make
from annotation.taxonomy import SHIPPED, CategoryRow

THREE = (
    CategoryRow("LAW", "Against the law", "违法", "What breaks a law.", "违反法律的内容。"),
    CategoryRow("OFF", "Rudeness", "粗鲁", "What is rude.", "粗鲁的内容。", "A joke is none.", "玩笑不算。"),
    CategoryRow("ELSE", "Other harm", "其他危害", "Any other harm.", "其他危害。"),
)


def three(**values: object) -> Taxonomy:
    """The next version has these three categories."""
    given = {"user": None, "name": "Ours", "rows": THREE, **values}
    return taxonomy_make(**given)  # type: ignore[arg-type]


def shipped_with(code: str, **values: str) -> list[CategoryRow]:
    """The shipped categories, one of them with other texts."""
    from dataclasses import replace

    return [replace(row, **values) if row.code == code else row for row in SHIPPED]
