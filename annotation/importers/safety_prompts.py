"""Safety-Prompts: prompts by scenario with ChatGPT replies (github.com/thu-coai/Safety-Prompts@bbfd3ce47a)."""

from __future__ import annotations

import re
from pathlib import Path

from annotation.importers.base import (
    ImportedRow,
    Importer,
    ImportOptions,
    RejectedRow,
    Rows,
    has_fields,
    kind_of,
    prompt_problem,
    response_of,
    rows,
)
from madsafe_web.core.textio import Record, read_json_items

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
_EXPECTED = "an object of arrays, scenario name to rows with prompt, response and type"


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of typical_safety_scenarios.json or instruction_attack_scenarios.json, or of a file with prompts alone.

    The scenario is the name of the array: `type` only repeats it, and is at times missing or spelt otherwise.
    """
    return rows(path, read_json_items(path), fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return bool(record.group) and record.index is not None and (_is_bare(record) or has_fields(record, "prompt"))


def _is_bare(record: Record) -> bool:
    """A prompt standing alone; only in files of the two attacks published without replies."""
    return isinstance(record.value, str) and record.group in ("Goal_Hijacking", "Prompt_Leaking")


def _row(record: Record) -> ImportedRow | RejectedRow:
    source_id, scenario = f"{record.group}/{record.index}", record.group
    attack = scenario if scenario in ATTACKS else ""
    if _is_bare(record) and record.value.strip():
        return ImportedRow(source_id, record.value, (), scenario, attack, {}, ("response is missing",))
    problem = prompt_problem(record, "prompt")
    if problem:
        return problem
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
    same = re.sub(r"[\s_-]+", "_", found.strip()).casefold() == scenario.casefold()
    return f"type is {'spelt otherwise' if same else 'another one'} ({found[:40]}), taken as {scenario}"


IMPORTER = Importer(
    name="safety_prompts",
    title="Safety-Prompts",
    default_role="alignment",
    licence="Apache-2.0",
    read=read,
)
