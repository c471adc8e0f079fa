"""Multiple choice as exam sets write it: columns or a list of options, the answer a letter or an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from annotation.importers.base import ImportedRow, RejectedRow, member_parts, prompt_problem, text_of
from madsafe_web.core.textio import Record, Source

LETTERS = ("A", "B", "C", "D", "E", "F", "G", "H")
SPLITS = {"dev": "dev", "val": "val", "valid": "val", "validation": "val", "test": "test", "train": "train"}


def place_of(source: Source) -> tuple[str, str]:
    """(subject, split) by the name of a data file: dev/anatomy.csv, anatomy_test.csv; "" for an unknown split."""
    *folders, stem = member_parts(source)
    subject, _, ending = stem.rpartition("_")
    if subject and ending in SPLITS:
        return subject, SPLITS[ending]
    return stem, next((SPLITS[folder] for folder in reversed(folders) if folder in SPLITS), "")


def choice_row(
    record: Record,
    *,
    question: str,
    columns: Sequence[str],
    answer: str,
    source_id: str,
    scenario: str,
    payload: Mapping[str, Any],
) -> ImportedRow | RejectedRow:
    """A row whose options stand in `columns`, its answer a letter under `answer`.

    The payload gets `options` and, where the answer names one of them, `answer` (index from 0).
    """
    problem = prompt_problem(record, question)
    if problem:
        return problem
    value = record.value
    missing = next((name for name in columns if not isinstance(value.get(name), str) or not value[name].strip()), "")
    if missing:
        return RejectedRow(record.number, missing, "is missing or empty")
    options = [value[name] for name in columns]
    index, warning = answer_index(value, answer, len(options))
    return ImportedRow(
        source_id=source_id,
        text=value[question],
        scenario=scenario,
        payload={**payload, "options": options, **({} if index is None else {"answer": index})},
        warnings=(warning,) if warning else (),
    )


def answer_index(value: Mapping[str, Any], name: str, options: int) -> tuple[int | None, str]:
    """(index, "") or (None, warning) for a letter, or an index from 0, under `name`."""
    given = value.get(name)
    if isinstance(given, int) and not isinstance(given, bool):
        index = given
    else:
        letter = text_of(given).upper()
        if not letter:
            return None, f"{name} is missing"
        index = LETTERS.index(letter) if letter in LETTERS else -1
    return (index, "") if 0 <= index < options else (None, f"{name} names no option")
