"""Database work of the stage `import_labels`, and an import of labels asked for by hand.

A file is read through once before anything is written, so one that breaks off in the middle leaves nothing behind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from annotation.labelling import links_of
from annotation.loading import portable
from annotation.models import Corpus, Prompt, PromptIntent
from annotation.services import labels_get
from annotation.storing import ROOM
from madsafe_web.core.llm.parse import label_key
from madsafe_web.core.models import RowTrail, Run, RunRow, User
from madsafe_web.core.runs import service
from madsafe_web.core.runs.errors import ConfigError, StageError
from madsafe_web.core.runs.job import Job
from madsafe_web.core.runs.stage import Outcome
from madsafe_web.core.runs.starting import run_queue
from madsafe_web.core.textio import BadFile, BadRecord, Record, kept_value, read_any, sha256_file

STAGE = "import_labels"
LABEL, SOURCE = "label", "traceid"  # the fields of a row
MOST_CHARACTERS = 1000  # of IntentLabel.name
BATCH_ROWS = 2000
MOST_TOLD = 20  # rejected rows, by the command
FIELD, MESSAGE = 40, 500  # characters that a row has room for


@dataclass(frozen=True, slots=True)
class Named:
    """A usable row: its number, a label as it is written, and the ids of the prompts that it names."""

    number: int
    label: str
    prompts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be used; `reason` completes "the row ...", `raw` is the row as it came."""

    number: int
    field: str
    reason: str
    raw: str = ""


def label_import(*, path: Path, corpus: int | None, user: User | None) -> Run:
    """The run of the same file into the same corpus where there is one that was not cancelled, else a new one in draft.

    Raises ConfigError when there is no such file or corpus, or the corpus was withdrawn.
    """
    values = _values(path, corpus)
    return _before(path, values) or service.run_create(stage_name=STAGE, values=values, user=user)


@transaction.atomic
def label_import_start(*, user: User, path: str, corpus: int | None) -> tuple[Run, bool]:
    """Start the import of a kept file (`uploading.keep`), or go on with that of the same file; whether it is a new one.

    Raises ConfigError as `label_import` does.
    """
    kept = Path(settings.BASE_DIR, path)
    values = _values(kept, corpus)
    before = _before(kept, values)
    run = before or service.run_create(stage_name=STAGE, values=values, user=user)
    run_queue(run=run, user=user, verb="run.resume" if before else "run.start")
    return run, before is None


def _values(path: Path, corpus: int | None) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"There is no file {path}. Correct the path.")
    if corpus is not None and not Corpus.objects.filter(pk=corpus, withdrawn=None).exists():
        raise ConfigError(f"There is no corpus {corpus} in use. Name one by its id.")
    return {"path": portable(path), "corpus": corpus}


def _before(path: Path, values: Mapping[str, Any]) -> Run | None:
    digest = sha256_file(path)
    for run in Run.objects.filter(stage=STAGE, params=values).exclude(state=Run.State.CANCELLED).order_by("-pk"):
        if _cursor(run).get("sha256", digest) == digest:
            return run
    return None


def _cursor(run: Run) -> dict[str, Any]:
    cursor: dict[str, Any] = run.chunks.values_list("cursor", flat=True).first() or {}
    return cursor


def summary(run: Run) -> dict[str, int]:
    """What an import did: rows read, different labels in them, links of prompts to labels, rows rejected."""
    sums = service.counts(run)
    told = {name: run.outputs.get(name, 0) for name in ("labels", "links")}
    return {"read": sums["read"], **told, "rejected": sums["rejected"]}


def rejected(run: Run) -> list[str]:
    """The first rejected rows, each in a line: file, row, field and reason."""
    rows = run.rows.filter(outcome=Outcome.REJECTED).order_by("pk")[:MOST_TOLD]
    name = Path(run.params["path"]).name
    return [f"{name}, row {one.subject}: {one.error_class or 'the row'} {one.message}" for one in rows]


def import_labels(job: Job) -> None:
    """Read the file of the run from where the last commit left off."""
    path = Path(settings.BASE_DIR, job.params.path)
    if not path.is_file():
        raise StageError(f"There is no file {job.params.path}. Put it there or correct the path, then resume.")
    digest = sha256_file(path)
    if job.cursor.get("sha256", digest) != digest:
        raise StageError(f"{path.name} changed since its import began. Restore it, or import it as a new run.")
    try:
        if not job.cursor:
            job.total(sum(1 for _ in read_any(path)))
            with job.commit() as progress:
                progress.cursor = {"sha256": digest, "done": 0}
        _Import(job, path).work()
    except BadFile as error:
        raise StageError(f"{str(error).rstrip('.')}. Nothing of this file was imported.") from error


@dataclass(slots=True)
class _Import:
    """One file on its way in. `keys` are those of the labels so far, of the rows that were stored before among them."""

    job: Job
    path: Path
    keys: set[str] = field(default_factory=set)

    def work(self) -> None:
        rows = self._rows()
        done = self.job.cursor["done"]
        self.keys.update(label_key(row.label) for row in islice(rows, done) if isinstance(row, Named))
        while batch := list(islice(rows, BATCH_ROWS)):
            self.job.check()
            done += len(batch)
            with self.job.commit() as progress:
                progress.counts = self._store(batch)
                progress.cursor = {**self.job.cursor, "done": done}
        with self.job.commit():
            self.job.output(labels=len(self.keys), links=links_of(self.job.run.pk).count())

    def _rows(self) -> Iterator[Named | Refused]:
        prompts = _prompts(self.job.params.corpus)
        return (row_of(record, prompts) for record in read_any(self.path))

    def _store(self, batch: Sequence[Named | Refused]) -> dict[str, int]:
        refused = [row for row in batch if isinstance(row, Refused)]
        named = [row for row in batch if isinstance(row, Named)]
        rows = [
            RunRow(
                run=self.job.run,
                subject=str(one.number),
                outcome=Outcome.REJECTED,
                error_class=one.field[:FIELD],
                message=one.reason[:MESSAGE],
            )
            for one in refused
        ]
        RunRow.objects.bulk_create(rows)
        trails = [RowTrail(run=self.job.run, subject=str(one.number), raw=one.raw) for one in refused if one.raw]
        RowTrail.objects.bulk_create(trails, batch_size=100)
        ids = labels_get([row.label for row in named])
        new = self._link(named, ids) if self.job.params.corpus else self._count(named)
        return {"kept": new, "duplicate": len(named) - new, "rejected": len(refused)}

    def _count(self, named: Sequence[Named]) -> int:
        """Number of rows whose label no row before them had."""
        before = len(self.keys)
        self.keys.update(label_key(row.label) for row in named)
        return len(self.keys) - before

    def _link(self, named: Sequence[Named], ids: Mapping[str, int]) -> int:
        """Give the prompts their labels; the number of rows that said something new."""
        run = self.job.run
        touched = {pk for row in named for pk in row.prompts}
        mine = links_of(run.pk).filter(prompt__in=touched)
        held = set(mine.values_list("prompt", "label"))
        places = defaultdict(int, mine.values_list("prompt").annotate(next=Max("position") + 1))
        links, new = [], 0
        for row in named:
            label = ids[label_key(row.label)]
            fresh = [pk for pk in row.prompts if (pk, label) not in held]
            held.update((pk, label) for pk in fresh)
            for pk in fresh:
                links.append(PromptIntent(prompt_id=pk, label_id=label, run=run, position=places[pk]))
                places[pk] += 1
            new += bool(fresh)
        PromptIntent.objects.bulk_create(links, batch_size=1000)
        self._count(named)
        return new


def _prompts(corpus: int | None) -> dict[str, tuple[int, ...]] | None:
    """Source id → ids of the prompts of a corpus; None without a corpus. Raises StageError for a withdrawn one."""
    if corpus is None:
        return None
    if not Corpus.objects.filter(pk=corpus, withdrawn=None).exists():
        raise StageError(f"The corpus {corpus} is not there any more, so nothing is linked to its prompts.")
    found: dict[str, tuple[int, ...]] = {}
    rows = Prompt.objects.filter(corpus=corpus).exclude(source_id="").order_by("id")
    for source, pk in rows.values_list("source_id", "id").iterator(5000):
        found[source] = (*found.get(source, ()), pk)
    return found


def row_of(record: Record | BadRecord, prompts: Mapping[str, tuple[int, ...]] | None) -> Named | Refused:
    """A row of the file; with `prompts` (source id → ids) it has to name some of them, without it must name none."""
    if isinstance(record, BadRecord):
        return Refused(record.number, record.field, record.reason, record.raw)
    found = _read(record, prompts)
    return found if isinstance(found, Named) else Refused(record.number, *found, kept_value(record.value))


def _read(record: Record, prompts: Mapping[str, tuple[int, ...]] | None) -> Named | tuple[str, str]:
    """What a row says, or the field that is wrong with it ("": the whole) and why."""
    if not isinstance(record.value, dict):
        return "", "is no object with named fields"
    number, label, source = record.number, record.value.get(LABEL), record.value.get(SOURCE)
    if not isinstance(label, str) or not label_key(label):
        return LABEL, "is missing, empty or no text"
    label = label.strip()
    if len(label) > MOST_CHARACTERS:
        return LABEL, f"is longer than {MOST_CHARACTERS} characters"
    if prompts is None:
        return (SOURCE, "names a prompt: say which corpus it is in") if source else Named(number, label)
    if isinstance(source, bool) or not isinstance(source, str | int) or not str(source).strip():
        return SOURCE, "is missing or empty"
    found = prompts.get(str(source).strip()[: ROOM["source_id"]])
    return Named(number, label, found) if found else (SOURCE, "names no prompt of the corpus")
