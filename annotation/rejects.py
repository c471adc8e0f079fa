"""The rejected rows of corpora that still stand: not corrected since, nor replaced by the same file imported again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from django.db.models import Count, QuerySet
from django.db.models.functions import Length, Substr

from annotation.correcting import corrected_places, place_of
from annotation.derived import slices
from annotation.models import Corpus, RejectedImport
from madsafe_web.core.audit import audit
from madsafe_web.core.models import Chunk, Run, User
from madsafe_web.core.runs.job import Job

READ_AT_ONCE = 2000
_MOST_ROWS = 500  # of a download that are in memory at once
_MOST_CHARACTERS = 8 * 2**20  # of their texts


def standing_rejects(corpus: Corpus) -> QuerySet[RejectedImport]:
    """What the newest import of each file of the corpus rejected and nobody corrected since."""
    replaced = [run for run, _ in _replaced(Chunk.objects.filter(cursor__corpus=corpus.pk))]
    return RejectedImport.objects.filter(corpus=corpus, corrected=None).exclude(run__in=replaced)


def standing_counts() -> Mapping[int, int]:
    """Corpus id → how many of its rejected rows stand, in two queries."""
    replaced = _replaced(Chunk.objects.all())
    counts: Counter[int] = Counter()
    rows = RejectedImport.objects.filter(corrected=None).order_by().values_list("run", "corpus").annotate(n=Count("id"))
    for run, corpus, count in rows:
        counts[corpus] += 0 if (run, corpus) in replaced else count
    return counts


def _replaced(chunks: QuerySet[Chunk]) -> set[tuple[int, int]]:
    """(run, corpus) of imports whose every file came in again since: a chunk of an import is one file.

    An import that did not end replaces nothing, as it may not have come to all rows that it would reject.
    """
    newest: dict[tuple[int, str], tuple[bool, int]] = {}
    files: dict[tuple[int, int], set[str]] = defaultdict(set)
    rows = chunks.filter(run__stage="import").order_by().values_list("run_id", "state", "cursor")
    for run, state, cursor in rows:
        if corpus := cursor.get("corpus"):
            sha256 = cursor.get("sha256") or f"run {run}"  # of a run that did not note it
            files[run, corpus].add(sha256)
            rank = (state == Chunk.State.DONE, run)
            newest[corpus, sha256] = max(rank, newest.get((corpus, sha256), rank))
    return {
        (run, corpus) for (run, corpus), found in files.items() if all(newest[corpus, one][1] != run for one in found)
    }


def with_raw(rows: Sequence[RejectedImport], most: int) -> Sequence[RejectedImport]:
    """Rows read without their `raw`, with at most so many characters of it: a row may have millions."""
    beginnings = RejectedImport.objects.filter(pk__in=[row.pk for row in rows]).order_by()
    found = dict(beginnings.values_list("pk", Substr("raw", 1, most)))
    for row in rows:
        row.raw = found.get(row.pk, "")
    return rows


def rejects_export(*, user: User, corpus: Corpus) -> Iterator[bytes]:
    """The rejected rows as JSONL, oldest first, in pieces; the export is an event before its first piece."""
    rows = standing_rejects(corpus)
    newest = rows.values_list("pk", flat=True).order_by("-pk").first() or 0
    rows = rows.filter(pk__lte=newest)
    audit(user, "corpus.rejects.export", corpus.name, corpus=corpus.pk, rows=rows.count())
    sizes = rows.order_by("pk").values_list("pk", Length("raw")).iterator(READ_AT_ONCE)
    return (_lines(corpus, ids) for ids in _portions(sizes))


def _portions(sizes: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
    """Ids of rows that are held in memory together; `sizes` gives characters by id."""
    portion: list[int] = []
    characters = 0
    for pk, size in sizes:
        if portion and (len(portion) == _MOST_ROWS or characters + size > _MOST_CHARACTERS):
            yield portion
            portion, characters = [], 0
        portion.append(pk)
        characters += size
    if portion:
        yield portion


def _lines(corpus: Corpus, ids: Sequence[int]) -> bytes:
    rows = RejectedImport.objects.filter(pk__in=ids).order_by("pk")
    return b"".join(orjson.dumps(_line(corpus, row), option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _line(corpus: Corpus, row: RejectedImport) -> dict[str, Any]:
    """A rejected row under its own names; what was no object stands whole under `_raw`."""
    try:
        value = orjson.loads(row.raw)
    except orjson.JSONDecodeError:
        value = row.raw
    named = value if isinstance(value, dict) else {"_raw": value}
    about = {"_file": row.file or corpus.file_name, "_row": row.row, "_field": row.field, "_reason": row.reason}
    return {**named, **about}


def rejects_settle(job: Job, path: Path, *, corrects: bool) -> None:
    """Take from the list what an import that came to its end has done with. Call it then, any number of times.

    What corrected rows (`corrects`) were before is done with: one that is rejected again stands anew. A file that is
    imported again rejects once more what was corrected since.
    """
    corpus = Corpus.objects.get(pk=job.cursor["corpus"])
    others = RejectedImport.objects.filter(corpus=corpus).exclude(run=job.run).order_by()
    if not others.exists():
        return
    done = _corrected(others, corpus, job.run, path) if corrects else _corrected_before(others, job.run)
    with job.commit():
        for run, found in done.items():
            rows = sum(RejectedImport.objects.filter(pk__in=ids).update(corrected=run) for ids in slices(found))
            if corrects and rows:
                facts = {"corpus": corpus.pk, "run": job.run.pk, "rows": rows}
                audit(job.run.actor, "corpus.rejects.corrected", corpus.name, **facts)


def _corrected(others: QuerySet[RejectedImport], corpus: Corpus, run: Run, path: Path) -> dict[int, list[int]]:
    """Run that corrected → ids of the rows that stand in this archive."""
    places = corrected_places(path)
    rows = others.filter(corrected=None).values_list("pk", "file", "row").iterator(READ_AT_ONCE)
    return {run.pk: [pk for pk, file, row in rows if (place_of(file or corpus.file_name), row) in places]}


def _corrected_before(others: QuerySet[RejectedImport], run: Run) -> dict[int, list[int]]:
    """Run that corrected → ids of the rows that this run rejected again; all runs into a corpus read the same file."""
    corrected = others.exclude(corrected=None).values_list("file", "row", "corrected")
    by = {(file, row): run_id for file, row, run_id in corrected.iterator(READ_AT_ONCE)}
    found: dict[int, list[int]] = defaultdict(list)
    mine = RejectedImport.objects.filter(run=run, corrected=None).order_by().values_list("pk", "file", "row")
    for pk, file, row in mine.iterator(READ_AT_ONCE) if by else ():
        if (file, row) in by:
            found[by[file, row]].append(pk)
    return found
