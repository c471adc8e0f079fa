"""Corpora with their counts and how far their import is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from annotation.models import Corpus, Prompt, RejectedImport, Response
from madsafe_web.core.models import Chunk, Run

MOST_SCENARIOS = 100
MOST_REJECTED = 50
Context = dict[str, Any]  # Any: a template's context
S = Run.State


@dataclass(frozen=True, slots=True)
class Imported:
    """The newest import of one corpus: its state, and rows read and found to be there already."""

    state: str
    read: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class CorpusShown:
    id: int
    name: str
    state: str
    use: str
    prompts: int
    responses: int
    rejected: int
    licence: str
    imported: datetime | None


def corpora_shown(rows: QuerySet[Corpus]) -> list[CorpusShown]:
    """All corpora by name, in six queries."""
    prompts = _counts(Prompt.objects.values_list("corpus"))
    responses = _counts(Response.objects.values_list("prompt__corpus"))
    rejected = _counts(RejectedImport.objects.values_list("corpus"))
    imports = imports_newest()
    return [
        CorpusShown(
            id=row.pk,
            name=row.name,
            state=imports[row.name].state if row.name in imports else "done",
            use=row.get_role_display(),
            prompts=prompts.get(row.pk, 0),
            responses=responses.get(row.pk, 0),
            rejected=rejected.get(row.pk, 0),
            licence=row.licence,
            imported=row.created,
        )
        for row in rows.order_by("name")
    ]


def _counts(groups: QuerySet[Any, tuple[int]]) -> dict[int, int]:
    """Key of a group → number of its rows."""
    return dict(groups.order_by().annotate(n=Count("id")))


def imports_newest() -> dict[str, Imported]:
    """Corpus name → its newest import, in one query: a chunk of an import run is one file (annotation.importing)."""
    chunks = Chunk.objects.filter(run__stage="import").select_related("run").order_by("run_id", "seq")
    found = {}
    for chunk in chunks:
        for number in chunk.subjects:
            declared = chunk.run.params["files"][int(number)]
            name = declared.get("name") or Path(declared["path"]).name
            found[name] = Imported(_state(chunk), chunk.read, chunk.duplicate)
    return found


def _state(chunk: Chunk) -> str:
    if chunk.state == Chunk.State.DONE:
        return "done"
    return "importing" if chunk.run.state in (S.QUEUED, S.RUNNING) else chunk.run.state


def corpus_context(row: Corpus) -> Context:
    """The page of one corpus."""
    prompts = Prompt.objects.filter(corpus=row).count()
    imported = imports_newest().get(row.name, Imported("done", 0, 0))
    rejects = RejectedImport.objects.filter(corpus=row)
    rejected = rejects.count()
    return {
        "corpus": {
            "id": row.pk,
            "name": row.name,
            "note": row.split and _("Split: %(split)s") % {"split": row.split},
            "state": imported.state,
            "format": row.format,
            "use": row.get_role_display(),
            "licence": row.licence,
            "exportable": row.exportable,
            "read": imported.read or prompts,
            "prompts": prompts,
            "responses": Response.objects.filter(prompt__corpus=row).count(),
            "duplicates": imported.duplicates,
            "rejected": rejected,
        },
        "scenarios": _scenarios(row, prompts),
        "rejected": [
            {"file": row.file_name, "number": one.row, "why": one.reason, "text": one.field}
            for one in rejects.order_by("row")[:MOST_REJECTED]
        ],
        "files": [{"name": row.file_name, "sha": row.sha256}] if row.sha256 else [],
    }


def _scenarios(row: Corpus, prompts: int) -> list[Mapping[str, Any]]:
    named = Prompt.objects.filter(corpus=row).exclude(scenario="").values_list("scenario").order_by()
    counted = named.annotate(n=Count("id")).order_by("-n", "scenario")[:MOST_SCENARIOS]
    return [{"name": name, "count": n, "percent": 100 * n / prompts} for name, n in counted]
