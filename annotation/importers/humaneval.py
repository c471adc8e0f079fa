"""HumanEval: Python functions to complete, JSONL (github.com/openai/human-eval@6d43fb980f)."""

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
    text_of,
)
from madsafe_web.core.textio import Record, read_any

_CODE = ("entry_point", "canonical_solution", "test")
_EXPECTED = "rows with task_id, prompt, entry_point, canonical_solution and test"


def read(path: Path, options: ImportOptions) -> Rows:
    """Tasks; the payload holds `entry_point`, `canonical_solution` and `test` as texts, which nothing here runs."""
    return member_rows(path, read_any, fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return has_fields(record, "task_id", "prompt", *_CODE)


def _row(record: Record) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "prompt")
    if problem:
        return problem
    value = record.value
    missing = tuple(f"{name} is missing" for name in _CODE if not isinstance(value.get(name), str))
    return ImportedRow(
        source_id=text_of(value.get("task_id")) or str(record.number),
        text=value["prompt"],
        payload={name: value[name] for name in _CODE if isinstance(value.get(name), str)},
        warnings=missing,
    )


IMPORTER = Importer(
    name="humaneval",
    title="HumanEval",
    default_role="benchmark",
    licence="MIT",
    read=read,
)
