"""ChineseSafetyQA: safety knowledge with a standard answer and options (github.com/OpenStellarTeam/ChineseSafetyQA)."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from annotation.importers._choices import LETTERS
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

_MOST = 16 * 1024  # characters of the options: a longer literal is none
_EXPECTED = "columns cate, question, standard_answer, options and correct_answer"


def read(path: Path, options: ImportOptions) -> Rows:
    """Questions; scenario = the first of the three levels of cate.

    payload: `categories` (all levels), `options`, `answer` (index from 0), `standard_answer` and `url`. The options are
    a Python dict written as text; where that is broken the question is imported without them, with a warning.
    """
    return member_rows(path, read_any, fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return has_fields(record, "cate", "question", "standard_answer", "options", "correct_answer")


def _row(record: Record) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "question")
    if problem:
        return problem
    value = record.value
    categories = [part.strip() for part in text_of(value.get("cate")).split("-")]
    choice, warnings = _choice(value)
    return ImportedRow(
        source_id=str(record.number),
        text=value["question"],
        scenario=categories[0],
        payload={
            "categories": categories,
            "standard_answer": text_of(value.get("standard_answer")),
            "url": text_of(value.get("standard_source_url")),
            **choice,
        },
        warnings=warnings,
    )


def _choice(value: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    options = _options(value.get("options"))
    if not options:
        return {}, ("options cannot be read",)
    letter = text_of(value.get("correct_answer")).upper()
    if letter not in options:
        return {"options": list(options.values())}, ("correct_answer names no option",)
    return {"options": list(options.values()), "answer": list(options).index(letter)}, ()


def _options(given: object) -> dict[str, str]:
    """Options by letter; {} where they are no dict of letters and texts."""
    if isinstance(given, str):
        if len(given) > _MOST:
            return {}
        try:
            given = ast.literal_eval(given.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return {}
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        return {}
    return {letter: given[letter] for letter in LETTERS if letter in given} if set(given) <= set(LETTERS) else {}


IMPORTER = Importer(
    name="chinese_safetyqa",
    title="ChineseSafetyQA",
    default_role="benchmark",
    licence="MIT",
    read=read,
)
