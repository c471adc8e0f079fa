"""CMMLU: Chinese exam questions by subject, CSV files in a zip or folder (github.com/haonan-li/CMMLU@d6e7b716d8)."""

from __future__ import annotations

from pathlib import Path

from annotation.importers._choices import choice_row, place_of
from annotation.importers.base import (
    ImportedRow,
    Importer,
    ImportOptions,
    RejectedRow,
    Rows,
    each_member,
    has_fields,
    prompt_problem,
    rows,
    text_of,
)
from madsafe_web.core.textio import Record, Source, read_any

_COLUMNS = ("A", "B", "C", "D")
_EXPECTED = "CSV columns Question, A, B, C, D and Answer"


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of every subject: scenario = the subject, payload: `options`, `answer`, `subject` and `split`.

    Subject and split are the names of file and folder (dev/anatomy.csv); `options.split` wins.
    """
    return each_member(path, lambda source: _rows(source, options.split))


def _rows(source: Source, split: str) -> Rows:
    subject, place = place_of(source)
    return rows(
        source,
        read_any(source),
        fits=lambda record: has_fields(record, "Question", *_COLUMNS, "Answer"),
        expected=_EXPECTED,
        convert=lambda record: _row(record, subject),
        split=split or place,
    )


def _row(record: Record, subject: str) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "Question")
    if problem:
        return problem
    number = text_of(record.value.get("")) or str(record.number)
    return choice_row(
        record,
        question="Question",
        columns=_COLUMNS,
        answer="Answer",
        source_id=f"{subject}/{number}",
        scenario=subject,
        payload={"subject": subject},
    )


IMPORTER = Importer(
    name="cmmlu",
    title="CMMLU",
    default_role="benchmark",
    licence="CC BY-NC-SA 4.0",
    read=read,
)
