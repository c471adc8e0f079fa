"""MMLU: exam questions by subject, CSV files without a header, or question and answer a line (DeRTa's 500)."""

from __future__ import annotations

import re
from pathlib import Path

from annotation.importers._choices import answer_index, choice_row, place_of
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
from madsafe_web.core.textio import Record, Source, is_corrected, read_any

_LETTERS = ("A", "B", "C", "D")
_COLUMNS = ("question", *_LETTERS, "answer")
_EXPECTED = "CSV rows of question, four options and a letter, or rows with question and answer (and choices)"
_OPTIONS = "\n-options\n"
_OPTION = re.compile(r"^-\([A-H]\) ?", re.MULTILINE)


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of every subject: scenario = the subject, payload: `options`, `answer`, `subject` and `split`.

    Subject and split are the names of file and folder (test/anatomy_test.csv); `options.split` wins. Where the options
    stand in the question itself (DeRTa), the text is the whole, and the payload holds the bare `question` too.
    """
    return each_member(path, lambda source: _rows(source, options.split))


def _rows(source: Source, split: str) -> Rows:
    subject, place = place_of(source)
    return rows(
        source,
        read_any(source, _COLUMNS),
        fits=lambda record: _fits(record) or (is_corrected(source) and has_fields(record, *_COLUMNS)),
        expected=_EXPECTED,
        convert=lambda record: _row(record, subject),
        split=split or place,
    )


def _fits(record: Record) -> bool:
    if has_fields(record, *_COLUMNS):
        # Any table of six columns gives such rows; the header it has shows in the first.
        return record.number == 1 and text_of(record.value["answer"]) in _LETTERS
    if has_fields(record, "question", "choices", "answer"):
        return isinstance(record.value["choices"], list)
    return has_fields(record, "question", "answer") and _OPTIONS in text_of(record.value["question"])


def _row(record: Record, subject: str) -> ImportedRow | RejectedRow:
    if has_fields(record, *_LETTERS):
        return choice_row(
            record,
            question="question",
            columns=_LETTERS,
            answer="answer",
            source_id=f"{subject}/{record.number}",
            scenario=subject,
            payload={"subject": subject},
        )
    return prompt_problem(record, "question") or _listed(record, subject)


def _listed(record: Record, subject: str) -> ImportedRow | RejectedRow:
    """Options in a list, or below the question in one text."""
    value, text = record.value, record.value["question"]
    question, _, below = text.partition(_OPTIONS)
    options = value.get("choices") or [part.rstrip("\n") for part in _OPTION.split(below)[1:]]
    if not isinstance(options, list) or len(options) < 2 or not all(isinstance(option, str) for option in options):
        return RejectedRow(record.number, "choices" if "choices" in value else "question", "has no list of options")
    index, warning = answer_index(value, "answer", len(options))
    # A question with its options inside comes in one file of many subjects, so the file's name is none.
    scenario = text_of(value.get("subject")) or ("" if below else subject)
    return ImportedRow(
        source_id=f"{scenario}/{record.number}" if scenario else str(record.number),
        text=text,
        scenario=scenario,
        payload={
            "subject": scenario,
            "options": options,
            **({"question": question} if below else {}),
            **({} if index is None else {"answer": index}),
        },
        warnings=(warning,) if warning else (),
    )


IMPORTER = Importer(
    name="mmlu",
    title="MMLU",
    default_role="benchmark",
    licence="MIT",
    read=read,
)
