"""Database work of the stage `import`: one file into one corpus, in batches, each counted where it is stored.

A file is read through once before anything is written, so one that breaks off in the middle leaves nothing behind.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce

from annotation.importers.base import ImportedRow, Importer, ImportOptions, RejectedRow, Rows, row_key
from annotation.models import Corpus, Prompt, RejectedImport, Response
from annotation.stages.import_ import File
from annotation.text import language, response_key
from madsafe_web.core.models import Run
from madsafe_web.core.registry import plugins
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.job import Job
from madsafe_web.core.textio import BadFile, sha256_file

BATCH_ROWS = 1000
Numbered = tuple[int, ImportedRow | RejectedRow]


@dataclass(slots=True)
class Batch:
    """What a batch of rows comes to: new prompts by key with the responses new to each, and counts."""

    prompts: dict[bytes, ImportedRow] = field(default_factory=dict)
    # prompt key → response key → text, kind
    responses: dict[bytes, dict[bytes, tuple[str, str]]] = field(default_factory=dict)
    rejected: list[RejectedRow] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)


def parts(run: Run) -> list[str]:
    """One part for each file of the run."""
    return [str(number) for number in range(len(run.params["files"]))]


def import_file(job: Job) -> None:
    """Import one file of the run into its corpus, from where the last commit left off."""
    declared: File = job.params.files[int(job.chunk.subjects[0])]
    importer = find_importer(declared.format)
    path = _existing(declared.path)
    options = options_of(declared)
    try:
        if not job.cursor:
            _begin(job, path, importer, declared, sum(1 for _ in importer.read(path, options)))
        corpus = Corpus.objects.get(pk=job.cursor["corpus"])
        if job.cursor.get("sha256", corpus.sha256) != sha256_file(path):
            raise StageError(f"{path.name} changed since its import began. Restore it, or import it as a new run.")
        _store(job, corpus, importer.read(path, options))
    except BadFile as error:
        raise StageError(f"{str(error).rstrip('.')}. Nothing of this file was imported.") from error


def options_of(declared: File) -> ImportOptions:
    """What an importer is told besides the path. Raises StageError for a file that is not there."""
    return ImportOptions(
        answers=_existing(declared.answers) if declared.answers else None,
        dev=_existing(declared.dev) if declared.dev else None,
        split=declared.split,
        mapping=declared.mapping,
    )


def find_importer(name: str) -> Importer:
    """The importer of that format. Raises StageError with the formats that exist."""
    importers = plugins("annotation.importers", "IMPORTER")
    if name not in importers:
        raise StageError(f"There is no format '{name}'. Known: {', '.join(sorted(importers))}.")
    found: Importer = importers[name]
    return found


def _existing(name: str) -> Path:
    path = Path(settings.BASE_DIR, name)
    if not path.is_file():
        raise StageError(f"There is no file {name}. Put it there or correct the path, then resume.")
    return path


def _begin(job: Job, path: Path, importer: Importer, declared: File, rows: int) -> None:
    """Make the corpus and note the number of rows; a corpus of the same file is imported into again."""
    licence, sha256 = declared.licence or importer.licence, sha256_file(path)
    values = {
        "format": importer.name,
        "role": declared.role or importer.default_role,
        "split": declared.split,
        "licence": licence,
        "exportable": "NC" not in licence.upper() if declared.exportable is None else declared.exportable,
        "file_name": path.name,
        "sha256": sha256,
        "mapping": declared.mapping,
    }
    name = declared.name or path.name
    corpus = _corpus(declared, name, sha256)
    with job.commit() as progress:
        corpus = corpus or Corpus.objects.create(name=name, **values)
        Run.objects.filter(pk=job.run.pk).update(total=Coalesce(F("total"), 0) + rows)
        progress.cursor = {"corpus": corpus.pk, "sha256": sha256, "rows": rows, "done": 0}


def _corpus(declared: File, name: str, sha256: str) -> Corpus | None:
    """The corpus that a file goes into: the one it names, or the one made of the same file; None for a new one.

    Raises StageError for a withdrawn corpus, for its file, and for another file under the name of a corpus.
    """
    found = Corpus.objects.filter(pk=declared.into) if declared.into else Corpus.objects.filter(name=name)
    corpus = found.first()
    if declared.into and not corpus:
        raise StageError(f"There is no corpus {declared.into} to bring corrected rows into. Import it as a new corpus.")
    gone = corpus if corpus and corpus.withdrawn else None
    gone = gone or Corpus.objects.filter(sha256=sha256, withdrawn__isnull=False).first()
    if gone:
        raise StageError(f"The corpus '{gone.name}' was withdrawn, so nothing of its file is imported again.")
    if corpus and not declared.into and corpus.sha256 != sha256:
        raise StageError(f"There is already a corpus '{name}' from another file. Give this one another name.")
    return corpus


def _store(job: Job, corpus: Corpus, rows: Rows) -> None:
    done = job.cursor["done"]
    remaining = islice(rows, done, None)
    warnings: Counter[str] = Counter(job.cursor.get("warnings", {}))
    for numbered in iter(lambda: list(islice(remaining, BATCH_ROWS)), []):
        job.check()
        batch = sort_rows(corpus, numbered)
        warnings += batch.warnings
        done += len(numbered)
        with job.commit() as progress:
            _write(job.run, corpus, batch)
            progress.counts = batch.counts
            progress.cursor = {**job.cursor, "done": done, "warnings": dict(warnings)}
    if warnings:
        named = ", ".join(f"{count} × {reason}" for reason, count in warnings.most_common(5))
        job.log(f"{corpus.name}: imported with {sum(warnings.values())} warnings: {named}.")


def sort_rows(corpus: Corpus, numbered: list[Numbered]) -> Batch:
    """Tell new from known: a row is a duplicate when the corpus holds its key and it brings no new response."""
    batch = Batch()
    keyed = [(row_key(row), row) for _, row in numbered if isinstance(row, ImportedRow)]
    held = _held(corpus, [key for key, _ in keyed])
    for key, row in keyed:
        known = held.get(key)
        brought = {response_key(one.text): (one.text, one.kind) for one in row.responses}
        new = {name: value for name, value in brought.items() if name not in (known or ())}
        if known is None:
            batch.prompts[key] = row
        elif not new:
            batch.counts["duplicate"] += 1
            continue
        batch.counts["kept"] += 1
        batch.warnings.update(row.warnings)
        held.setdefault(key, set()).update(new)
        batch.responses.setdefault(key, {}).update(new)
    batch.rejected = [row for _, row in numbered if isinstance(row, RejectedRow)]
    batch.counts["rejected"] = len(batch.rejected)
    return batch


def _held(corpus: Corpus, keys: list[bytes]) -> dict[bytes, set[bytes]]:
    """Prompt key → keys of its responses, for those the corpus holds."""
    held: dict[bytes, set[bytes]] = {}
    rows = Prompt.objects.filter(corpus=corpus, key__in=keys).values_list("key", "responses__key")
    for key, response in rows:
        held.setdefault(bytes(key), set()).update([bytes(response)] if response else [])
    return held


def _write(run: Run, corpus: Corpus, batch: Batch) -> None:
    prompts = [
        Prompt(
            corpus=corpus,
            key=key,
            text=row.text,
            language=language(row.text),
            source_id=row.source_id[:64],
            scenario=row.scenario[:80],
            attack_type=row.attack_type[:40],
            payload=dict(row.payload),
            run=run,
        )
        for key, row in batch.prompts.items()
    ]
    Prompt.objects.bulk_create(prompts)
    ids = {
        bytes(key): pk
        for pk, key in Prompt.objects.filter(corpus=corpus, key__in=batch.responses).values_list("id", "key")
    }
    responses = [
        Response(prompt_id=ids[key], key=name, text=text, kind=kind[:40], run=run)
        for key, brought in batch.responses.items()
        for name, (text, kind) in brought.items()
    ]
    Response.objects.bulk_create(responses)
    rejects = [
        RejectedImport(run=run, corpus=corpus, row=row.number, field=row.field[:60], reason=row.reason[:300])
        for row in batch.rejected
    ]
    RejectedImport.objects.bulk_create(rejects)
