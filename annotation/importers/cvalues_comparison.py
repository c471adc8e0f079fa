"""CValues-Comparison: prompts with a preferred and a worse response (github.com/X-PLUG/CValues@3018d38868)."""

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

_EXPECTED = "rows with prompt, pos_resp, neg_resp, pos_type and neg_type"
_KINDS = {"pos_resp": "positive", "neg_resp": "negative"}


def read(path: Path, options: ImportOptions) -> Rows:
    """Both responses of each prompt, their types (拒绝&正向建议, 拒绝为主, 风险回复) in the payload.

    One prompt may stand in several rows with other pairs; joining them is left to the store.
    """
    return member_rows(path, read_any, fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return has_fields(record, "prompt", "pos_resp", "neg_resp")


def _row(record: Record) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "prompt")
    if problem:
        return problem
    value = record.value
    responses, warnings = responses_of(value, _KINDS)
    return ImportedRow(
        source_id=str(record.number),
        text=value["prompt"],
        responses=responses,
        payload={name: text_of(value.get(name)) for name in ("pos_type", "neg_type")},
        warnings=warnings,
    )


IMPORTER = Importer(
    name="cvalues_comparison",
    title="CValues-Comparison",
    default_role="alignment",
    licence="Apache-2.0",
    read=read,
)
