"""S-Eval: base risk prompts and their attack variants, JSONL in a zip (github.com/IS2Lab/S-Eval@5c7739a920)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

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

_EXPECTED = "JSONL rows with traceid, risk_type, prompt and ext"


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of a base or attack file: scenario = risk_type, attack type = the category inside `ext` ("" for base rows).

    Prompts have no responses. Base rows in English name the Chinese row they come from in payload["ext"].
    """
    return member_rows(path, read_any, fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return has_fields(record, "traceid", "risk_type", "prompt")


def _row(record: Record) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "prompt")
    if problem:
        return problem
    value = record.value
    ext, warning = _ext(value.get("ext"))
    return ImportedRow(
        source_id=text_of(value.get("traceid")),
        text=value["prompt"],
        scenario=text_of(value.get("risk_type")),
        attack_type=text_of(ext.get("category")),
        payload={"ext": ext} if ext else {},
        warnings=(warning,) if warning else (),
    )


def _ext(text: object) -> tuple[dict[str, Any], str]:
    """`ext` is JSON inside a JSON text."""
    if not isinstance(text, str):
        return {}, "ext is missing"
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}, "ext is not valid JSON"
    return (value, "") if isinstance(value, dict) else ({}, "ext is not an object")


IMPORTER = Importer(
    name="s_eval",
    title="S-Eval",
    default_role="alignment",
    licence="CC BY-NC-SA 4.0",
    read=read,
)
