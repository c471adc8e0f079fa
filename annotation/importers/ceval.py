"""C-Eval: Chinese exam questions by subject, CSV or Parquet in a zip or folder (github.com/hkust-nlp/ceval)."""

from __future__ import annotations

from dataclasses import replace
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
_EXPECTED = "columns id, question, A, B, C and D, with answer and explanation or without"


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of every subject: scenario = the subject, payload: `options`, `answer`, `explanation`, `subject`, `split`.

    Subject and split are the names of file and folder (val/law_val.csv); `options.split` wins. The answers of the
    test split are not published: there a missing one is no warning.
    """
    return each_member(path, lambda source: _rows(source, options.split))


def _rows(source: Source, split: str) -> Rows:
    subject, place = place_of(source)
    known = split or place
    return rows(
        source,
        read_any(source),
        fits=lambda record: has_fields(record, "id", "question", *_COLUMNS),
        expected=_EXPECTED,
        convert=lambda record: _row(record, subject, known),
        split=known,
    )


def _row(record: Record, subject: str, split: str) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "question")
    if problem:
        return problem
    explanation = text_of(record.value.get("explanation"))
    row = choice_row(
        record,
        question="question",
        columns=_COLUMNS,
        answer="answer",
        source_id=f"{subject}/{text_of(record.value.get('id')) or record.number}",
        scenario=subject,
        payload={"subject": subject, **({"explanation": explanation} if explanation else {})},
    )
    if isinstance(row, ImportedRow) and split == "test" and not text_of(record.value.get("answer")):
        return replace(row, warnings=())
    return row


IMPORTER = Importer(
    name="ceval",
    title="C-Eval",
    default_role="benchmark",
    licence="CC BY-NC-SA 4.0",
    read=read,
)
