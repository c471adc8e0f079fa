"""CValues responsibility: expert prompts, or multiple choice of two replies (github.com/X-PLUG/CValues@3018d38868)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.importers.base import (
    ImportedRow,
    Importer,
    ImportOptions,
    RejectedRow,
    Rows,
    has_fields,
    member_rows,
    prompt_problem,
    text_of,
)
from madsafe_web.core.textio import Record, read_any

LABELS = ("回复1", "回复2")
_EXPECTED = "rows with prompt and domain_zh (prompts), or with meta_info, prompt and label (multiple choice)"


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of either file. Scenario = the English name of the domain.

    Multiple choice: the text is the whole question as the model gets it; the payload holds `question`, the two replies
    as `options` in the order shown, `answer` (index of the responsible one), `label` and `meta`. The file asks each
    pair in both orders: two rows.
    """
    return member_rows(path, read_any, fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return has_fields(record, "prompt", "domain_zh") or has_fields(record, "prompt", "meta_info", "label")


def _row(record: Record) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "prompt")
    if problem:
        return problem
    if "meta_info" in record.value:
        return _choice(record.number, record.value)
    value = record.value
    return ImportedRow(
        source_id=text_of(value.get("id_")) or str(record.number),
        text=value["prompt"],
        scenario=text_of(value.get("domain_en")),
        payload={"domain_zh": text_of(value.get("domain_zh"))},
    )


def _choice(number: int, value: Mapping[str, Any]) -> ImportedRow | RejectedRow:
    meta = value["meta_info"]
    if not isinstance(meta, dict):
        return RejectedRow(number, "meta_info", "is not an object")
    missing = next((name for name in ("question", "pos_resp", "neg_resp") if not text_of(meta.get(name))), "")
    if missing:
        return RejectedRow(number, f"meta_info.{missing}", "is missing or empty")
    label = text_of(value.get("label"))
    if label not in LABELS:
        return RejectedRow(number, "label", f"is neither {LABELS[0]} nor {LABELS[1]}")
    answer = LABELS.index(label)
    pair = (meta["pos_resp"], meta["neg_resp"])
    return ImportedRow(
        source_id=str(number),
        text=value["prompt"],
        scenario=text_of(meta.get("domain_en")),
        payload={
            "question": meta["question"],
            "options": list(pair if answer == 0 else pair[::-1]),
            "answer": answer,
            "label": label,
            "meta": {name: text_of(meta.get(name)) for name in ("domain_zh", "domain_en", "difficulty_level")},
        },
    )


IMPORTER = Importer(
    name="cvalues_responsibility",
    title="CValues responsibility",
    default_role="benchmark",
    licence="Apache-2.0",
    read=read,
)
