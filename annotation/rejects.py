"""The rejected rows of corpora that still stand: an import of the same file again replaces those of the one before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from django.db.models import Count, QuerySet

from annotation.models import Corpus, RejectedImport
from madsafe_web.core.models import Chunk


def standing_rejects(corpus: Corpus) -> QuerySet[RejectedImport]:
    """What the newest import of each file of the corpus rejected."""
    replaced = [run for run, _ in _replaced(Chunk.objects.filter(cursor__corpus=corpus.pk))]
    return RejectedImport.objects.filter(corpus=corpus).exclude(run__in=replaced)


def standing_counts() -> Mapping[int, int]:
    """Corpus id → how many of its rejected rows stand, in two queries."""
    replaced = _replaced(Chunk.objects.all())
    counts: Counter[int] = Counter()
    rows = RejectedImport.objects.order_by().values_list("run", "corpus").annotate(n=Count("id"))
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
