"""Imports as the pages of corpora show them: which run brought which file into which corpus, and what came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from annotation.models import Corpus
from madsafe_web.core.method import run_name
from madsafe_web.core.models import Chunk, Run

S = Run.State
PATHS = ("path", "answers", "dev")


@dataclass(frozen=True, slots=True)
class Imported:
    """One file that a run brought into a corpus. Rows read = imported + duplicates + rejected."""

    run_id: int
    run_name: str
    state: str
    file: str
    paths: tuple[str, ...]  # of all its files, as the run was given them
    by: str
    when: datetime | None
    read: int
    imported: int
    duplicates: int
    rejected: int
    warnings: Mapping[str, int]  # reason → rows imported in spite of it


def imports_of(corpora: Sequence[Corpus]) -> Mapping[int, list[Imported]]:
    """Corpus id → its imports, oldest first, in one query: a chunk of an import is one file (annotation.importing)."""
    ids = {row.pk for row in corpora}
    by_name = {row.name: row.pk for row in corpora}
    found: dict[int, list[Imported]] = defaultdict(list)
    for chunk in Chunk.objects.filter(run__stage="import").select_related("run").order_by("run_id", "seq"):
        for number in chunk.subjects:
            declared = chunk.run.params["files"][int(number)]
            # Before its first batch an import has no corpus yet, only the name of one.
            corpus_id = chunk.cursor.get("corpus") or declared.get("into") or by_name.get(_name(declared))
            if corpus_id in ids:
                found[corpus_id].append(_imported(chunk, declared))
    return found


def _name(declared: Mapping[str, Any]) -> str:
    return str(declared.get("name") or Path(declared["path"]).name)


def _imported(chunk: Chunk, declared: Mapping[str, Any]) -> Imported:
    return Imported(
        run_id=chunk.run_id,
        run_name=run_name(chunk.run),
        state=_state(chunk),
        file=Path(declared["path"]).name,
        paths=tuple(path for name in PATHS if (path := declared.get(name))),
        by=chunk.run.actor_name,
        when=chunk.run.started,
        read=chunk.read,
        imported=chunk.kept,
        duplicates=chunk.duplicate,
        rejected=chunk.rejected,
        warnings=chunk.cursor.get("warnings", {}),
    )


def _state(chunk: Chunk) -> str:
    if chunk.state == Chunk.State.DONE:
        return "done"
    return "importing" if chunk.run.state in (S.QUEUED, S.RUNNING) else chunk.run.state
