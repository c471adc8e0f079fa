"""ShareGPT format: conversations as lists of turns, with two replies to compare or without (LLaMA-Factory's DPO)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from annotation.importers.base import (
    ImportedResponse,
    ImportedRow,
    Importer,
    ImportOptions,
    RejectedRow,
    Rows,
    first_records,
    is_filled,
    kind_of,
    member_rows,
    text_of,
)
from madsafe_web.core.textio import BadRecord, Record, Source, read_any, read_jsonl

TURNS = ("conversations", "messages", "conversation")
_PERSON = frozenset({"human", "user", "prompter"})
_MODEL = frozenset({"gpt", "assistant", "chatgpt", "bot", "model", "chatbot", "bard", "bing"})
_KINDS = {"chosen": "positive", "rejected": "negative"}
_EXPECTED = "rows with conversations or messages, lists of turns with from and value or role and content"


def read(path: Path, options: ImportOptions) -> Rows:
    """The text is the first turn of a person, its response the first turn of the model after it.

    `chosen` and `rejected` (a turn, a text, or a conversation's last turn) are a positive and a negative response.
    payload: `system`, `tools` and `turns`, all other turns, where the row has them.
    """
    split = options.split
    return member_rows(path, _records, fits=is_conversation, expected=_EXPECTED, convert=conversation, split=split)


def _records(source: Source) -> Iterator[Record | BadRecord]:
    """Rows in any layout. A conversation alone in one line looks like a document of lists: its turns tell."""
    first = first_records(islice(read_any(source), 1))
    alone = any(record.group in TURNS and _who(record.value) for record in first)
    return read_jsonl(source) if alone else read_any(source)


def is_conversation(record: Record) -> bool:
    """True when the record holds a list of turns."""
    name = _turns_name(record.value)
    turns = record.value[name] if name else []
    return isinstance(turns, list) and any(_who(turn) for turn in turns)


def conversation(record: Record) -> ImportedRow | RejectedRow:
    """The row that a record with a list of turns stands for."""
    value = record.value
    if not isinstance(value, dict):
        return RejectedRow(record.number, "", f"is {kind_of(value)}, expected an object")
    name = _turns_name(value)
    if not name:
        return RejectedRow(record.number, TURNS[0], "is missing")
    turns = value[name]
    if not isinstance(turns, list):
        return RejectedRow(record.number, name, f"is {kind_of(turns)}, expected an array")
    asked = next((place for place, turn in enumerate(turns) if _who(turn) in _PERSON), None)
    if asked is None:
        return RejectedRow(record.number, name, "has no turn of a person")
    text = _said(turns[asked])
    if not isinstance(text, str):
        return RejectedRow(record.number, name, f"has a first turn of a person that is {kind_of(text)}")
    if not is_filled(text):
        return RejectedRow(record.number, name, "has an empty first turn of a person")
    responses, warnings, used = _responses(value, turns, asked)
    return ImportedRow(
        source_id=text_of(value.get("id")) or str(record.number),
        text=text,
        responses=responses,
        payload=_payload(value, turns, {asked, used}),
        warnings=warnings,
    )


def _turns_name(value: object) -> str:
    return next((name for name in TURNS if name in value), "") if isinstance(value, dict) else ""


def _who(turn: object) -> str:
    return text_of(turn.get("from") or turn.get("role")).casefold() if isinstance(turn, dict) else ""


def _said(turn: object) -> object:
    """What a turn says; a list is taken for a conversation, of which the last turn counts."""
    if isinstance(turn, list):
        return _said(turn[-1]) if turn else None
    return turn.get("value", turn.get("content")) if isinstance(turn, dict) else turn


def _responses(
    value: dict[str, Any], turns: list[Any], asked: int
) -> tuple[tuple[ImportedResponse, ...], tuple[str, ...], int]:
    """(responses, warnings, place of the turn that is one of them, or -1)."""
    pair = {name: kind for name, kind in _KINDS.items() if name in value}
    if pair:
        said = {name: _said(value[name]) for name in pair}
        usable = {name: text for name, text in said.items() if isinstance(text, str) and text.strip()}
        found = tuple(ImportedResponse(text, pair[name]) for name, text in usable.items())
        return found, tuple(f"{name} is empty" for name in said if name not in usable), -1
    place = next((place for place in range(asked + 1, len(turns)) if _who(turns[place]) in _MODEL), -1)
    text = _said(turns[place]) if place >= 0 else None
    if isinstance(text, str) and text.strip():
        return (ImportedResponse(text),), (), place
    return (), ("there is no reply",), place


def _payload(value: dict[str, Any], turns: list[Any], used: set[int]) -> dict[str, Any]:
    """What is not the prompt or its response, as it came."""
    rest = [turn for place, turn in enumerate(turns) if place not in used]
    system = next((_said(turn) for turn in rest if _who(turn) == "system"), value.get("system"))
    others = [turn for turn in rest if _who(turn) != "system"]
    found = {"system": system, "tools": value.get("tools"), "turns": others}
    return {name: part for name, part in found.items() if part}


IMPORTER = Importer(
    name="sharegpt",
    title="ShareGPT (conversations)",
    default_role="general",
    licence="",
    read=read,
)
