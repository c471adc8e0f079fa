"""A dataset as Hugging Face keeps it: a folder or zip of Parquet, JSONL, JSON or CSV files with a card (README.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from annotation.importers._cards import CARD, Card, card_of
from annotation.importers._columns import ColumnMap, column_map
from annotation.importers._guessing import guess_rows
from annotation.importers.alpaca import instruction_row, is_instruction
from annotation.importers.base import (
    ImportedRow,
    Importer,
    ImportOptions,
    RejectedRow,
    Rows,
    WrongFormat,
    each_member,
    first_records,
    rows,
)
from annotation.importers.generic import mapped_row
from annotation.importers.sharegpt import conversation, is_conversation
from madsafe_web.core.textio import Record, Refused, Source, data_members, is_corrected, read_any

_ABOUT = frozenset({"dataset_infos.json", "dataset_info.json", "state.json"})  # written beside the data by tools
_CHOOSE = "Choose the format that fits this file"
_ADVICE = "Import its files by the generic format, with a mapping"
_EXPECTED = "rows with a column of prompts"

Convert = Callable[[Record], ImportedRow | RejectedRow]


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of every data file that the card names, or of all; the split is the card's or in the name of the file.

    Conversations are read as ShareGPT, instruction and output as Alpaca, other columns by their names as the generic
    format guesses them, or by `options.mapping`. Raises WrongFormat where no file has a column of prompts.
    """
    card = card_of(path)
    if card is None and not path.is_dir() and not any(map(is_corrected, data_members(path)[0])):
        raise WrongFormat(path, f"expected a folder, or a zip archive with {CARD}, found a single file", _CHOOSE)
    known = card or Card()
    return each_member(path, lambda source: _rows(source, options, known), wanted=lambda source: _wanted(source, known))


def _wanted(source: Source, card: Card) -> bool:
    return source.name.split("/")[-1] not in _ABOUT and card.split_of(source) is not None


def _rows(source: Source, options: ImportOptions, card: Card) -> Rows:
    return rows(
        source,
        read_any(source),
        fits=lambda record: isinstance(record.value, dict),
        expected=_EXPECTED,
        convert=_conversion(source, first_records(read_any(source)), options),
        split=options.split or card.split_of(source) or "",
    )


def _conversion(source: Source, head: list[Record], options: ImportOptions) -> Convert:
    if not options.mapping and any(map(is_conversation, head)):
        return conversation
    if not options.mapping and any(map(is_instruction, head)):
        return instruction_row
    mapping = options.mapping or guess_rows(head)
    if not mapping:
        names = {name: None for record in head if isinstance(record.value, dict) for name in record.value}
        found = f"columns {', '.join(list(names)[:8])[:200]}" if names else "no columns"
        raise WrongFormat(source, f"expected {_EXPECTED}, found {found}", _ADVICE)
    columns: ColumnMap = column_map(mapping)
    return lambda record: mapped_row(record, columns)


def licence(path: Path) -> str:
    """The licence on the card, "" for none."""
    card = card_of(path)
    return card.licence if card else ""


def leaves(path: Path) -> list[Refused]:
    """The data files that the card does not name."""
    card = card_of(path)
    data = [one for one in data_members(path)[0] if one.name.split("/")[-1] not in _ABOUT] if card else []
    return [Refused(one.name, "the card leaves it out") for one in data if card and card.split_of(one) is None]


IMPORTER = Importer(
    name="hf_dataset",
    title="Hugging Face dataset",
    default_role="alignment",
    licence="",
    read=read,
    stated=licence,
    leaves=leaves,
)
