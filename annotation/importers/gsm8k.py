"""GSM8K: grade-school mathematics with worked answers, JSONL (github.com/openai/grade-school-math@3101c7d507)."""

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

FINAL = "####"
_EXPECTED = 'rows with question and answer, the answer ending in "#### number"'


def read(path: Path, options: ImportOptions) -> Rows:
    """Questions of either split. payload: `solution` (the whole answer as it came) and `final`, the number behind ####.

    `final` has no thousands commas ("1,234" is 1234). JSONL, JSON or Parquet.
    """
    return member_rows(path, read_any, fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return has_fields(record, "question", "answer") and FINAL in text_of(record.value["answer"])


def _row(record: Record) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "question")
    if problem:
        return problem
    solution = record.value.get("answer")
    solution = solution if isinstance(solution, str) else ""
    _, mark, final = solution.rpartition(FINAL)
    return ImportedRow(
        source_id=str(record.number),
        text=record.value["question"],
        payload={"solution": solution, "final": final.strip().replace(",", "") if mark else ""},
        warnings=() if mark else (f"answer has no {FINAL}",),
    )


IMPORTER = Importer(
    name="gsm8k",
    title="GSM8K",
    default_role="benchmark",
    licence="MIT",
    read=read,
)
