"""XSTest: safe prompts that look unsafe, with unsafe counterparts (github.com/paul-rottger/exaggerated-safety)."""

from __future__ import annotations

from pathlib import Path

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

_FACTS = ("label", "focus", "note")
_VERDICTS = ("annotation_1", "annotation_2", "agreement", "final_label")
_EXPECTED = "columns id, prompt, type and either label, focus, note or completion, annotation_1, annotation_2"


def read(path: Path, options: ImportOptions) -> Rows:
    """Rows of the prompts or of a file of completions; scenario = the type.

    payload: `label` (safe, unsafe), `focus` and `note`, or the verdicts of both people. The ids of the files differ.
    """
    return member_rows(path, read_any, fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return has_fields(record, "prompt", "type", "label", "focus") or has_fields(
        record, "prompt", "type", "completion", "annotation_1"
    )


def _row(record: Record) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "prompt")
    if problem:
        return problem
    value = record.value
    response, missing = response_of(value, "completion") if "completion" in value else (None, "")
    facts = _VERDICTS if "completion" in value else _FACTS
    return ImportedRow(
        source_id=text_of(value.get("id")) or str(record.number),
        text=value["prompt"],
        responses=(response,) if response else (),
        scenario=text_of(value.get("type")),
        payload={name: text_of(value[name]) for name in facts if text_of(value.get(name))},
        warnings=(missing,) if missing else (),
    )


IMPORTER = Importer(
    name="xstest",
    title="XSTest",
    default_role="benchmark",
    licence="CC BY 4.0",
    read=read,
)
