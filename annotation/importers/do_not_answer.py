"""Do-Not-Answer: questions a model should not answer, or replies to them that people judged.

Source: github.com/kunishou/do-not-answer-ja@1380ff2ff5 (the English original).
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
    response_of,
    text_of,
)
from madsafe_web.core.textio import Record, read_any

_KINDS = {"0": "positive", "1": "negative"}
_EXPECTED = "columns id, question and either risk_area, types_of_harm, specific_harms or response, harmful, action"


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of either file. Questions: scenario = risk_area, payload: `types_of_harm` and `specific_harms`.

    Judged replies: a harmful one is "negative", another "positive"; payload: `harmful` and `action` as they came.
    """
    return member_rows(path, read_any, fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return has_fields(record, "question", "risk_area", "types_of_harm") or has_fields(
        record, "question", "response", "harmful", "action"
    )


def _row(record: Record) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "question")
    if problem:
        return problem
    value = record.value
    source_id = text_of(value.get("id")) or str(record.number)
    if "harmful" not in value:
        payload = {name: text_of(value.get(name)) for name in ("types_of_harm", "specific_harms")}
        return ImportedRow(source_id, value["question"], (), text_of(value.get("risk_area")), payload=payload)
    harmful = text_of(value["harmful"])
    response, missing = response_of(value, "response", _KINDS.get(harmful, "reply"))
    unknown = "" if harmful in _KINDS else "harmful is neither 0 nor 1"
    return ImportedRow(
        source_id,
        value["question"],
        (response,) if response else (),
        payload={"harmful": harmful, "action": text_of(value.get("action"))},
        warnings=tuple(filter(None, (missing, unknown))),
    )


IMPORTER = Importer(
    name="do_not_answer",
    title="Do-Not-Answer",
    default_role="benchmark",
    licence="CC BY-NC-SA 4.0",
    read=read,
)
