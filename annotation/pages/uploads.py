"""The page of files on their way, and the preview of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from annotation.detecting import GENERIC, Proposal
from annotation.importers._columns import MISSING
from annotation.importers.base import ImportedRow, RejectedRow
from annotation.licences import may_leave
from annotation.models import Upload
from annotation.pieces import MOST_OPEN, held, path_of
from annotation.previewing import USES, PreviewForm, columns_of_file, licence_stated
from annotation.text import clean, language
from madsafe_web.core.wording import worded

_LONGEST = 400  # characters of a text in a preview
_SAMPLE = 120
Context = dict[str, Any]  # Any: a template's context


@dataclass(frozen=True, slots=True)
class UploadShown:
    """A file on its way; sizes in bytes."""

    token: str
    name: str
    size: int
    held: int
    whole: bool


@dataclass(frozen=True, slots=True)
class RowShown:
    """One of the first rows as it would be stored, or why it would not be."""

    number: int
    text: str = ""
    lang: str = ""
    response: str = ""
    responses: int = 0
    scenario: str = ""
    attack_type: str = ""
    notes: tuple[str, ...] = ()
    rejected: str = ""


def uploads_shown(rows: QuerySet[Upload]) -> list[UploadShown]:
    """The newest files on their way."""
    return [
        UploadShown(row.token, row.name, row.size, held(row), held(row) == row.size)
        for row in rows.order_by("-pk")[:MOST_OPEN]
    ]


def preview_context(upload: Upload, form: PreviewForm, proposal: Proposal, extra: dict[str, Upload]) -> Context:
    rows = [_row(number, row) for number, row in proposal.rows]
    generic = proposal.name == GENERIC
    licence = str(form["licence"].value() or "").strip() or licence_stated(proposal.importer, upload)
    return {
        "upload": upload,
        "form": form,
        "about": [form[name] for name in ("name", "role", "licence", "split", "answers", "dev")],
        "layout": [form[name] for name in ("header", "records", "lines", "keep")],
        "licence": licence,
        "may_leave": may_leave(licence),
        "kept": {name: one.name for name, one in extra.items()},
        "format": worded(proposal.importer.title),
        "problem": worded(proposal.problem),
        "rows": rows,
        "good": proposal.good,
        "refused": len(rows) - proposal.good,
        "not_read": [worded(told) for told in proposal.importer.not_read(path_of(upload))],
        "warnings": [{"text": worded(text), "count": count} for text, count in proposal.warnings.most_common(10)],
        "has_scenario": any(row.scenario for row in rows),
        "has_attack": any(row.attack_type for row in rows),
        "columns": _columns(upload, proposal) if generic else [],
        "uses": USES.items(),
        "generic": generic,
    }


def _columns(upload: Upload, proposal: Proposal) -> list[dict[str, Any]]:
    found = columns_of_file(upload, proposal.mapping)
    return [{"path": column.path, "use": use, "sample": _sample(column.values)} for column, use in found]


def _sample(values: list[Any]) -> str:
    value = next((value for value in values if value not in (None, "", MISSING)), "")
    return str(value)[:_SAMPLE]


def _row(number: int, row: ImportedRow | RejectedRow) -> RowShown:
    if isinstance(row, RejectedRow):
        return RowShown(number, rejected=": ".join(filter(None, (row.field, worded(row.reason)))))
    first = row.responses[0].text if row.responses else ""
    return RowShown(
        number,
        text=clean(row.text)[:_LONGEST],
        lang=language(row.text),
        response=clean(first)[:_LONGEST],
        responses=len(row.responses),
        scenario=row.scenario,
        attack_type=row.attack_type,
        notes=tuple(map(worded, row.warnings)),
    )
