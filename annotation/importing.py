"""Database work of the stage `import`: one file into one corpus, in batches, each counted where it is stored.

A file is read through once before anything is written, so one that breaks off in the middle leaves nothing behind.
"""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce

from annotation.feeding import feed
from annotation.importers.base import Importer, ImportOptions
from annotation.licences import may_leave
from annotation.models import Corpus
from annotation.rejects import rejects_settle
from annotation.stages.import_ import File
from annotation.storing import sort_rows, store
from madsafe_web.core.bulk import nothing_collected, prepare_writing
from madsafe_web.core.models import Run
from madsafe_web.core.registry import plugins
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.job import Job
from madsafe_web.core.textio import BadFile, sha256_file

MOST_LOGGED = 5  # kinds of warnings; the page of the corpus has them all


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
        sha256 = sha256_file(path)
        content = content_digest(sha256, options.answers, options.dev)
        if job.cursor.get("content", content) != content:
            what = f"{path.name}, or a file that goes with it," if options.answers or options.dev else path.name
            raise StageError(f"{what} changed since its import began. Restore it, or import it as a new run.")
        begun = bool(job.cursor)
        skip = job.cursor["done"] if begun else 0
        with feed(importer, path, options, skip=skip, counted=not begun) as parts:
            if not begun:
                warnings = dict.fromkeys(importer.not_read(path), 1)
                known = {"sha256": sha256, "content": content, "rows": next(parts), "warnings": warnings}
                _begin(job, path, importer, declared, known)
                for told in warnings:
                    job.log(f"{path.name}: {told}.")
            _store(job, Corpus.objects.get(pk=job.cursor["corpus"]), parts)
        rejects_settle(job, path, corrects=declared.into is not None)
    except BadFile as error:
        raise StageError(f"{str(error).rstrip('.')}. Nothing of this file was imported.") from error


def content_digest(sha256: str, *others: Path | None) -> str:
    """One hash for a file of this hash and those that go with it, so that none of them changes between two parts."""
    hashes = [sha256, *(sha256_file(path) if path else "" for path in others)]
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


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
    if not path.exists():  # a folder is fine for formats that read folders
        raise StageError(f"There is no file {name}. Put it there or correct the path, then resume.")
    return path


def _begin(job: Job, path: Path, importer: Importer, declared: File, begun: dict[str, Any]) -> None:
    """Make the corpus and note the number of rows; a corpus of the same file is imported into again.

    `begun` holds the hash of the file, that of all files (`content_digest`) and the number of rows.
    """
    licence = declared.licence or importer.licence_of(path)
    values = {
        "format": importer.name,
        "role": declared.role or importer.default_role,
        "split": declared.split,
        "licence": licence,
        "exportable": may_leave(licence) if declared.exportable is None else declared.exportable,
        "file_name": path.name,
        "sha256": begun["sha256"],
        "mapping": declared.mapping,
    }
    name = declared.name or path.name
    with job.commit() as progress:
        corpus = _corpus(declared, name, begun["sha256"])
        if not corpus:
            corpus, _ = Corpus.objects.get_or_create(name=name, defaults=values)
            _corpus(declared, name, begun["sha256"])  # raises where it was made of another file meanwhile
        Run.objects.filter(pk=job.run.pk).update(total=Coalesce(F("total"), 0) + begun["rows"])
        progress.cursor = {"corpus": corpus.pk, **begun, "done": 0}


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


def _store(job: Job, corpus: Corpus, batches: Iterator[Any]) -> None:
    """Store what is left of the rows, each batch with its counts and the place where it would go on."""
    done = job.cursor["done"]
    warnings: Counter[str] = Counter(job.cursor.get("warnings", {}))
    for rows in batches:
        job.check()
        done += len(rows)
        with nothing_collected(), job.commit() as progress:
            prepare_writing()  # what a failing server loses of it is read again: the cursor is lost with it
            _hold(corpus)
            batch = sort_rows(corpus, rows)
            store(job.run, corpus, batch)
            warnings += batch.warnings
            progress.counts = batch.counts
            progress.cursor = {**job.cursor, "done": done, "warnings": dict(warnings)}
        gc.collect(1)  # what others of this process left; the rows of the batch are gone without it
    if warnings:
        job.log(f"{corpus.name}: imported with {sum(warnings.values())} warnings.")
    for reason, count in warnings.most_common(MOST_LOGGED):
        job.log(f"{corpus.name}: {count} rows with the warning “{reason}”.")


def _hold(corpus: Corpus) -> None:
    """Keep other imports into the corpus waiting until the transaction ends. Raises StageError once withdrawn."""
    if Corpus.objects.select_for_update(no_key=True).get(pk=corpus.pk).withdrawn:
        raise StageError(f"The corpus '{corpus.name}' was withdrawn while it was imported. Nothing more is added.")
