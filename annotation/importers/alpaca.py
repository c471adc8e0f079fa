"""Alpaca format: instruction, input, output, as LLaMA-Factory has it (github.com/hiyouga/LLaMA-Factory@ff6d4d12ee)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

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

_PLACEHOLDER = re.compile(r"\{\{\s*\w+\s*\}\}")
_EXPECTED = "rows with instruction, input and output"


def read(path: Path, options: ImportOptions) -> Rows:
    r"""The text is the instruction, with the input below it where there is one ("\n" between, as in training).

    JSONL, JSON, CSV or Parquet. payload: `input`, and `system` and `history` where the row has them.
    """
    split = options.split
    return member_rows(path, read_any, fits=is_instruction, expected=_EXPECTED, convert=instruction_row, split=split)


def is_instruction(record: Record) -> bool:
    """True when the record has an instruction and an output."""
    return has_fields(record, "instruction", "output")


def instruction_row(record: Record) -> ImportedRow | RejectedRow:
    """The row that a record with an instruction stands for."""
    problem = prompt_problem(record, "instruction")
    if problem:
        return problem
    value = record.value
    given = value.get("input")
    if given is not None and not isinstance(given, str):
        return RejectedRow(record.number, "input", "is not a text")
    text = value["instruction"] + (f"\n{given}" if given else "")
    response, missing = response_of(value, "output")
    warnings = tuple(filter(None, (missing, _placeholder_warning(text + text_of(value.get("output"))))))
    responses = (response,) if response else ()
    return ImportedRow(str(record.number), text, responses, payload=_payload(value), warnings=warnings)


def _payload(value: dict[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in ("input", "system", "history") if value.get(name)}


def _placeholder_warning(text: str) -> str:
    found = _PLACEHOLDER.search(text)
    return f"contains the placeholder {found.group()}, to be replaced before training" if found else ""


IMPORTER = Importer(
    name="alpaca",
    title="Alpaca (instruction, input, output)",
    default_role="general",
    licence="",
    read=read,
)
