"""JADE: Chinese prompts by violation (v1, v2), or with an unsafe and a safe answer (v3), CSV.

Source: github.com/whitzard-ai/jade-db@812de63691. v3 is GB18030, the others UTF-8.
"""

from __future__ import annotations

from pathlib import Path

from annotation.importers.base import (
    ImportedRow,
    Importer,
    ImportOptions,
    RejectedRow,
    Rows,
    has_fields,
    member_rows,
    prompt_problem,
    responses_of,
    text_of,
)
from madsafe_web.core.textio import Record, read_any

QUESTION, CATEGORY, SUBCATEGORY = "问题", "违规类型", "违规子类"
_KINDS = {"安全有用回答": "positive", "违规回答": "negative"}
_SPELLINGS = {"侵犯权益": "侵害权益"}
_EXPECTED = f"CSV columns ID, {QUESTION} and either {CATEGORY}, {SUBCATEGORY} or {', '.join(reversed(_KINDS))}"


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of either kind: scenario = the top category; several, joined by "|" in v1, are lists in the payload.

    Blank edges of the categories are cut (" 违法犯罪"). The scenario writes 侵犯权益 of v1 as v2 does, 侵害权益; other
    synonyms stay: merging them is a decision of people.
    """
    return member_rows(path, read_any, fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return has_fields(record, QUESTION, CATEGORY) or has_fields(record, QUESTION, *_KINDS)


def _row(record: Record) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, QUESTION)
    if problem:
        return problem
    value = record.value
    source_id = text_of(value.get("ID")) or str(record.number)
    if CATEGORY not in value:
        responses, warnings = responses_of(value, _KINDS)
        return ImportedRow(source_id, value[QUESTION], responses, warnings=warnings)
    categories, subcategories = _parts(value[CATEGORY]), _parts(value.get(SUBCATEGORY))
    return ImportedRow(
        source_id=source_id,
        text=value[QUESTION],
        scenario="|".join(_SPELLINGS.get(one, one) for one in categories),
        payload={"categories": categories, "subcategories": subcategories},
        warnings=() if categories else (f"{CATEGORY} is empty",),
    )


def _parts(cell: object) -> list[str]:
    return [part.strip() for part in text_of(cell).split("|") if part.strip()]


IMPORTER = Importer(
    name="jade",
    title="JADE",
    default_role="benchmark",
    licence="MIT",
    read=read,
)
