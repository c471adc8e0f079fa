"""Database and file work of the stage `withdraw`: batch by batch, each with its place, so that a kill costs nothing.

Keys and lineage stay, so that what was withdrawn is known again; every text goes, in the files of the var folder too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import ManyToOneRel, QuerySet
from django.utils import timezone

from annotation import searching
from annotation.derived import affected, among, parts, slices, written
from annotation.models import Corpus, Prompt, RejectedImport, Response
from annotation.pages.imports import imports_of
from annotation.pieces import uploads_forget
from annotation.versions import data_changed
from madsafe_web.core.audit import audit
from madsafe_web.core.method import WORKING, run_name
from madsafe_web.core.models import Generation, RowTrail, Run, RunRow, User
from madsafe_web.core.runs import dry, service, tasks
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.job import Job
from madsafe_web.core.textio import sha256_file

BATCH_ROWS = 2000
GONE = Prompt.State.WITHDRAWN


class Busy(Exception):
    """Other runs are in work, which may be writing what derives from the corpus. `names` says which."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


def busy() -> list[Run]:
    """The runs in work besides withdrawals."""
    return list(Run.objects.filter(state__in=WORKING).exclude(stage="withdraw").order_by("id"))


def is_whole(corpus: Corpus) -> bool:
    """Whether texts of the corpus, or of what derives from it, may still be there: no withdrawal of it was finished."""
    ended = Run.objects.filter(stage="withdraw", state=Run.State.DONE, params__corpus=corpus.pk)
    return corpus.withdrawn is None or not ended.exists()


@transaction.atomic
def withdrawal_start(*, user: User, corpus: Corpus) -> Run:
    """Start the withdrawal of a corpus. Raises Busy while other runs are in work."""
    if runs := busy():
        raise Busy([run_name(run) for run in runs])
    run = service.run_create(stage_name="withdraw", values={"corpus": corpus.pk}, user=user)
    if not service.run_start(run):  # another one was started at this moment
        raise Busy([run_name(one) for one in busy()])
    tasks.enqueue(run)
    audit(user, "corpus.withdraw", corpus.name, corpus=corpus.pk, run=run.pk)
    return run


def withdraw(job: Job) -> None:
    """Blank the corpus and all that derives from it, then replies that led nowhere, then files. Raises StageError."""
    corpus = Corpus.objects.filter(pk=job.params.corpus).first()
    if corpus is None:
        raise StageError(f"There is no corpus {job.params.corpus}. Nothing was withdrawn.")
    if runs := busy():
        names = ", ".join(run_name(run) for run in runs)
        raise StageError(f"{names} may be writing what derives from the corpus. Wait for them, then resume.")
    _overwrite_freed_space()
    if not job.cursor:
        _close(job, corpus)
    _blank_all(job, [pk for pk in affected(corpus).ids() if pk > job.cursor["after"]])
    while late := _not_blanked(corpus):  # written or marked by a run that had its rows in hand
        _blank_all(job, late)
    _drop_replies(job)
    _clear_index(job)
    removed = _remove_uploads(corpus)
    for part in parts():
        part.finish()
    with job.commit(kept=0):
        data_changed()
        facts = {"corpus": corpus.pk, "prompts": job.cursor["done"], "files": removed}
        audit(job.run.actor, "corpus.withdrawn", corpus.name, **facts)
    _empty_journal()
    job.log(f"{corpus.name}: {job.cursor['done']} prompts withdrawn, {removed} uploaded files removed.")


def _close(job: Job, corpus: Corpus) -> None:
    """From here on nothing more of it comes in or goes out."""
    with job.commit() as progress:
        Corpus.objects.filter(pk=corpus.pk).update(withdrawn=timezone.now(), exportable=False)
        RejectedImport.objects.filter(corpus=corpus).update(raw="")
        RowTrail.objects.filter(run__in=[run.pk for run in _label_imports() if _is_into(run, corpus)]).update(raw="")
        progress.cursor = {"after": 0, "done": 0, "runs": dry.forget()}


def _not_blanked(corpus: Corpus) -> list[int]:
    ids = affected(corpus).ids()
    gone = set(Prompt.objects.filter(state=GONE).values_list("id", flat=True).iterator())
    return [pk for pk in ids if pk not in gone]


def _blank_all(job: Job, ids: Sequence[int]) -> None:
    """Blank these prompts, from the smallest id up. The place in the first pass over all of them never goes back."""
    job.total(job.cursor["done"] + len(ids))
    writing = list(_writing().values_list("id", flat=True))
    for start in range(0, len(ids), BATCH_ROWS):
        job.check()
        batch = ids[start : start + BATCH_ROWS]
        with job.commit(kept=len(batch)) as progress:
            runs = {*job.cursor["runs"], *_writers(batch, writing)}
            _blank(job.run, batch)
            data_changed()
            after = max(job.cursor["after"], batch[-1])
            progress.cursor = {"after": after, "done": job.cursor["done"] + len(batch), "runs": sorted(runs)}


def _writing() -> QuerySet[Run]:
    """The runs in which models write texts."""
    return Run.objects.filter(stage__in=[name for part in parts() for name in part.stages])


def _writers(ids: Sequence[int], writing: Sequence[int]) -> set[int]:
    """Those of the writing runs that made something of these prompts, whatever was kept of it."""
    if not writing:
        return set()
    tried = [RunRow.objects.filter(run__in=writing, subject__in=list(map(str, some))) for some in slices(ids)]
    wrote = Response.objects.filter(prompt__in=among(ids), run__in=writing)
    made = Prompt.objects.filter(pk__in=among(ids), run__in=writing)
    return {pk for rows in (*tried, wrote, made) for pk in rows.order_by().values_list("run", flat=True).distinct()}


def _blank(run: Run, ids: Sequence[int]) -> None:
    searching.forget(ids)
    prompts, responses = Prompt.objects.filter(pk__in=among(ids)), Response.objects.filter(prompt__in=among(ids))
    replies = {str(key) for rows in (prompts, responses) for key in written(rows)}
    responses.update(text="", generation=None)
    prompts.update(text="", folded="", payload={}, generation=None, state=GONE, state_run=run)
    for part in parts():
        replies |= part.blank(ids)
    _drop_unused(replies)


def _clear_index(job: Job) -> None:
    """Take what was removed out of the files of the search index too, which else keep it for long."""
    begun = False
    while searching.merge_step(first=not begun):
        job.check()
        begun = True


def _drop_replies(job: Job) -> None:
    """Drop what models wrote in these runs and no row points to: replies that were cut off, refused or repeated."""
    rows = Generation.objects.filter(run__in=job.cursor["runs"]).order_by("id")
    while found := list(rows.filter(pk__gt=job.cursor.get("reply", 0)).values_list("id", "call_key")[:BATCH_ROWS]):
        job.check()
        with job.commit() as progress:
            _drop_unused({key for _, key in found})
            progress.cursor = {**job.cursor, "reply": found[-1][0]}


def _drop_unused(keys: Iterable[str]) -> None:
    """Delete those of the replies that no row of any table points to."""
    unused = set(keys)
    if not unused:
        return
    for relation in Generation._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ManyToOneRel):
            continue
        name, rows = relation.field.name, relation.related_model._default_manager.order_by()
        for some in slices(sorted(unused)):
            unused.difference_update(rows.filter(**{f"{name}__in": some}).values_list(name, flat=True))
    for some in slices(sorted(unused)):
        Generation.objects.filter(call_key__in=some).delete()


def _remove_uploads(corpus: Corpus) -> int:
    """Delete the files that people sent for this corpus, unless another one came from them too; gives their number.

    Files that lie elsewhere on the server are not ours to delete.
    """
    kept = Path(settings.VAR_DIR, "uploads").resolve()
    others = Corpus.objects.exclude(pk=corpus.pk).filter(withdrawn=None)
    needed = {path for rows in imports_of(list(others)).values() for one in rows for path in one.paths}
    labels = list(_label_imports())
    needed |= {run.params["path"] for run in labels if not _is_into(run, corpus)}
    paths = {path for one in imports_of([corpus]).get(corpus.pk, []) for path in one.paths}
    paths |= {run.params["path"] for run in labels if _is_into(run, corpus)}
    files = [file for path in paths - needed if (file := Path(settings.BASE_DIR, path).resolve()).is_file()]
    # Sent once more, a file may wait for an import that would be refused. Asked before the files that tell it are gone.
    waiting = uploads_forget({corpus.sha256, *map(sha256_file, files)})
    sent = [file for file in files if file.is_relative_to(kept)]
    for file in sent:
        file.unlink()
    return waiting + len(sent)


def _label_imports() -> QuerySet[Run]:
    """The imports of files of labels: a row of one may hold anything beside a label."""
    return Run.objects.filter(stage="import_labels")


def _is_into(run: Run, corpus: Corpus) -> bool:
    return bool(run.params.get("corpus") == corpus.pk)


def _overwrite_freed_space() -> None:
    """SQLite else leaves a text that was blanked in the free parts of its file."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete=ON")


def _empty_journal() -> None:
    """What was overwritten still stands in SQLite's journal until that is emptied."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
