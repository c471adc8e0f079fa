"""Any JSONL, JSON, CSV or Parquet file whose columns a mapping names, and plain text with one prompt a line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotation.importers._columns import MISSING, ColumnMap, column_map, opened, value_at
from annotation.importers._guessing import guess
from annotation.importers._tables import table
from annotation.importers.base import (
    ImportedResponse,
    ImportedRow,
    Importer,
    ImportOptions,
    RejectedRow,
    Rows,
    WrongFormat,
    kind_of,
    member_rows,
    text_of,
)
from madsafe_web.core.textio import GROUP, Record

_BLANK = "\ufeff\u200b \t\r\n\u00a0\u3000"
_LITERAL = 20_000  # characters: a longer text is not read as a Python literal
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows as the mapping says; without one as it can be guessed from the first rows.

    Options are a list, an object, either as JSON or as a Python literal in a text, or one column each; the answer is a
    letter, the text of an option or its place from 0. payload: `options` and `answer`, or `reference` for an answer
    without options, and `columns` with the others where the mapping keeps them.
    Raises WrongFormat when nothing says which column is the prompt, ConfigError for a mapping that cannot be used.
    """
    mapping = options.mapping or guess(path)
    if not mapping:
        raise WrongFormat(path, "no column is known to hold the prompts", "Say which in a mapping")
    columns = column_map(mapping)
    return member_rows(
        path,
        lambda source: table(source, columns),
        fits=lambda record: isinstance(record.value, dict) and value_at(record.value, columns.prompt) is not MISSING,
        expected=f"rows with a column {columns.prompt}",
        convert=lambda record: mapped_row(record, columns),
        split=options.split,
    )


def mapped_row(record: Record, columns: ColumnMap) -> ImportedRow | RejectedRow:
    """The row that a record is by a mapping."""
    text = value_at(record.value, columns.prompt)
    if not isinstance(text, str):
        reason = "is missing" if text is MISSING else f"is {kind_of(text)}, expected a text"
        return RejectedRow(record.number, columns.prompt, reason)
    if not text.strip(_BLANK):
        return RejectedRow(record.number, columns.prompt, "is empty")
    payload = _choice(record, columns)
    if isinstance(payload, RejectedRow):
        return payload
    if columns.keep and (others := _others(record, columns)):
        payload["columns"] = others
    found = [one for path, kind in columns.responses for one in _responses(record, path, kind)]
    return ImportedRow(
        source_id=_plain(record, columns.source_id) or str(record.number),
        text=text,
        responses=tuple(one for one in found if isinstance(one, ImportedResponse)),
        scenario=_plain(record, columns.scenario),
        attack_type=_plain(record, columns.attack_type),
        payload=payload,
        warnings=tuple(one for one in found if isinstance(one, str)),
    )


def _plain(record: Record, path: str) -> str:
    return text_of(value_at(record.value, path)) if path else ""


def _others(record: Record, columns: ColumnMap) -> dict[str, Any]:
    used = columns.named()
    return {name: value for name, value in record.value.items() if name not in used and name != GROUP}


def _responses(record: Record, path: str, kind: str) -> Iterator[ImportedResponse | str]:
    """The responses under a path (a list holds several), or why there is none."""
    found = value_at(record.value, path)
    if found is MISSING:
        yield f"{path} is missing"
        return
    for text in found if isinstance(found, list) and found else [found]:
        if isinstance(text, str):
            yield ImportedResponse(text, kind) if text.strip() else f"{path} is empty"
        else:
            yield f"{path} is {kind_of(text)}, expected a text"


def _choice(record: Record, columns: ColumnMap) -> dict[str, Any] | RejectedRow:
    """Options and answer of a row, as the payload keeps them."""
    answer = value_at(record.value, columns.answer) if columns.answer else MISSING
    if not columns.options:
        return {} if answer is MISSING or answer is None else {"reference": answer}
    field = columns.options[0]
    options = _options(record, columns.options)
    if not options:
        return RejectedRow(record.number, field, "holds no list of texts to choose from")
    if not columns.answer:
        return {"options": list(options.values())}
    place = _place(answer, options)
    if place is None:
        return RejectedRow(record.number, columns.answer, "is missing or none of the options")
    return {"options": list(options.values()), "answer": place}


def _options(record: Record, paths: tuple[str, ...]) -> dict[str, str]:
    """Letter → text, in order; empty when they cannot be used."""
    if len(paths) > 1:
        found: object = {letter: value_at(record.value, path) for letter, path in zip(_LETTERS, paths, strict=False)}
    else:
        found = _literal(value_at(record.value, paths[0]))
    if isinstance(found, list):
        found = dict(zip(_LETTERS, found, strict=False))
    if not isinstance(found, dict):
        return {}
    texts = {str(name): text_of(value) for name, value in found.items() if value not in (MISSING, None, "")}
    return texts if len(texts) > 1 and all(texts.values()) else {}


def _literal(value: object) -> object:
    """The list or object inside a text that is JSON or a Python literal."""
    found = opened(value)
    if not isinstance(found, str) or len(found) > _LITERAL or not found.lstrip().startswith(("[", "{")):
        return found
    try:
        return ast.literal_eval(found.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _place(answer: object, options: dict[str, str]) -> int | None:
    names, texts = [name.casefold() for name in options], list(options.values())
    said = text_of(answer)
    if said.casefold() in names:
        return names.index(said.casefold())
    if said in texts:
        return texts.index(said)
    return int(said) if said.isdecimal() and len(said) < 3 and int(said) < len(texts) else None


IMPORTER = Importer(
    name="generic",
    title="Columns of your own (JSONL, JSON, CSV, Parquet, text)",
    default_role="alignment",
    licence="",
    read=read,
)
