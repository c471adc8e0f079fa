"""Safety-Prompts: prompts by scenario with ChatGPT replies (github.com/thu-coai/Safety-Prompts@bbfd3ce47a)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from annotation.importers.base import (
    ImportedRow,
    Importer,
    ImportOptions,
    RejectedRow,
    Rows,
    each_member,
    first_records,
    has_fields,
    is_filled,
    kind_of,
    prompt_problem,
    response_of,
    rows,
    spelling,
)
from madsafe_web.core.textio import BadRecord, Record, Source, file_shape, read_json_items, read_jsonl

ATTACKS = frozenset(
    {
        "Goal_Hijacking",
        "Prompt_Leaking",
        "Role_Play_Instruction",
        "Unsafe_Instruction_Topic",
        "Inquiry_With_Unsafe_Opinion",
        "Reverse_Exposure",
    }
)
SCENARIOS = (
    "Unfairness_And_Discrimination",
    "Crimes_And_Illegal_Activities",
    "Insult",
    "Mental_Health",
    "Physical_Harm",
    "Privacy_And_Property",
    "Ethics_And_Morality",
    *sorted(ATTACKS),
)
_spelt = spelling(SCENARIOS)
_EXPECTED = "an object of arrays, scenario name to rows with prompt, response and type"


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of typical_safety_scenarios.json or instruction_attack_scenarios.json, or of a file with prompts alone.

    The scenario is the name of the array, spelt as the set does: `type` only repeats it, and is at times missing or
    spelt otherwise. Where no object is among the first rows, texts are prompts; in other files such a row is none.
    Rows one a line, as rejected rows are given out to be corrected, have only their `type`.
    """
    return each_member(path, lambda source: _rows(source, options.split))


def _rows(source: Source, split: str) -> Rows:
    first = first_records(_records(source))
    bare = any(map(_is_bare, first)) and not any(isinstance(record.value, dict) for record in first)
    return rows(
        source,
        _records(source),
        fits=lambda record: bare or _fits(record),
        expected=_EXPECTED,
        convert=lambda record: _bare_row(record) if bare and _is_bare(record) else _row(record),
        split=split,
    )


def _records(source: Source) -> Iterator[Record | BadRecord]:
    if file_shape(source) == "json":
        return read_json_items(source)
    return map(_typed, read_jsonl(source))


def _typed(record: Record | BadRecord) -> Record | BadRecord:
    """A row that stands alone, under the name that its type gives."""
    if not isinstance(record, Record) or not isinstance(record.value, dict) or record.group:
        return record
    named = record.value.get("type")
    if isinstance(named, str) and _spelt(named) in SCENARIOS:
        return replace(record, group=named, index=record.number - 1)
    return record


def _fits(record: Record) -> bool:
    return bool(record.group) and record.index is not None and has_fields(record, "prompt")


def _is_bare(record: Record) -> bool:
    return isinstance(record.value, str) and record.index is not None and _spelt(record.group) in SCENARIOS


def _bare_row(record: Record) -> ImportedRow | RejectedRow:
    scenario = _spelt(record.group)
    attack = scenario if scenario in ATTACKS else ""
    if not is_filled(record.value):
        return RejectedRow(record.number, "prompt", "is empty")
    source_id = f"{record.group}/{record.index}"
    return ImportedRow(source_id, record.value, (), scenario, attack, {}, ("response is missing",))


def _row(record: Record) -> ImportedRow | RejectedRow:
    source_id, scenario = f"{record.group}/{record.index}", _spelt(record.group)
    attack = scenario if scenario in ATTACKS else ""
    problem = prompt_problem(record, "prompt")
    if problem:
        return problem
    if not record.group:
        return RejectedRow(record.number, "type", "names no scenario")
    value = record.value
    response, warning = response_of(value, "response")
    warnings = tuple(filter(None, (warning, _type_warning(value.get("type"), scenario))))
    return ImportedRow(source_id, value["prompt"], (response,) if response else (), scenario, attack, {}, warnings)


def _type_warning(found: object, scenario: str) -> str:
    if found == scenario:
        return ""
    if found is None:
        return f"type is missing, taken as {scenario}"
    if not isinstance(found, str):
        return f"type is {kind_of(found)}, taken as {scenario}"
    same = spelling([scenario])(found) == scenario
    return f"type is {'spelt otherwise' if same else 'another one'} ({found[:40]}), taken as {scenario}"


IMPORTER = Importer(
    name="safety_prompts",
    title="Safety-Prompts",
    default_role="alignment",
    licence="Apache-2.0",
    read=read,
)
