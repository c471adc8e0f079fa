"""COLD: Chinese sentences that people labelled offensive or not (github.com/thu-coai/COLDataset@a0c55a9454)."""

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
    text_of,
)
from madsafe_web.core.textio import Record, read_any

_FINE = "fine-grained-label"
_EXPECTED = "CSV columns split, topic, label and TEXT, the index before them without a name"


def read(path: Path, options: ImportOptions) -> Rows:
    """Sentences; scenario = the topic, payload: `label` (0 safe, 1 offensive), `fine_grained_label` and `split`.

    The split is what the row says, which is "train" in half of dev.csv; `options.split` wins. The index repeats, so
    it is no identity.
    """
    return member_rows(path, read_any, fits=_fits, expected=_EXPECTED, convert=_row, split=options.split)


def _fits(record: Record) -> bool:
    return has_fields(record, "split", "topic", "label", "TEXT")


def _row(record: Record) -> ImportedRow | RejectedRow:
    problem = prompt_problem(record, "TEXT")
    if problem:
        return problem
    value = record.value
    label, fine = text_of(value.get("label")), text_of(value.get(_FINE))
    return ImportedRow(
        source_id=text_of(value.get("")) or str(record.number),
        text=value["TEXT"],
        scenario=text_of(value.get("topic")),
        payload={
            "split": text_of(value.get("split")),
            **({"label": int(label)} if label in ("0", "1") else {}),
            **({"fine_grained_label": int(fine)} if fine in ("0", "1", "2", "3") else {}),
        },
        warnings=() if label in ("0", "1") else ("label is neither 0 nor 1",),
    )


IMPORTER = Importer(
    name="cold",
    title="COLD",
    default_role="benchmark",
    licence="Apache-2.0",
    read=read,
)
