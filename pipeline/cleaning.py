"""Database work of the stages `deduplicate` and `reject`: prompts are marked, never deleted."""

from __future__ import annotations

from collections.abc import Iterable

from annotation.models import Corpus, Prompt
from annotation.selectors import map_published, prompt_categories, prompts_active, texts_of_role
from annotation.text import clean
from madsafe_web.core.runs.job import Job
from pipeline import balance, similarity

BATCH_ROWS = 2000
Mark = tuple[int, int | None, float | None]  # prompt id, id of its twin, similarity


def deduplicate(job: Job) -> None:
    """Mark prompts that repeat an earlier kept one as duplicates, and those that repeat a benchmark's as overlaps.

    What an earlier try of this run had marked is unmarked first, so a second try counts the same.
    """
    with job.commit() as progress:
        marked = Prompt.objects.filter(state_run=job.run)
        marked.update(state=Prompt.State.ACTIVE, state_run=None, twin=None, similarity=None)
        progress.cursor = {}
    rows = [(pk, clean(text)) for pk, text in prompts_active().values_list("id", "text").iterator(BATCH_ROWS)]
    job.total(len(rows))
    overlaps = find_overlaps(rows, list(texts_of_role(Corpus.Role.BENCHMARK)), job.params.overlap_threshold)
    job.log(f"{len(overlaps)} of {len(rows)} prompts overlap a benchmark.")
    job.check()
    left = {mark[0] for mark in overlaps}
    rest = [row for row in rows if row[0] not in left]
    twins = similarity.duplicates([text for _, text in rest], job.params.threshold)
    duplicates = [(rest[i][0], rest[twin.index][0], twin.similarity) for i, twin in enumerate(twins) if twin]
    job.check()
    with job.commit() as progress:
        mark(job, overlaps, Prompt.State.OVERLAP)
        mark(job, duplicates, Prompt.State.DUPLICATE)
        kept = len(rows) - len(overlaps) - len(duplicates)
        progress.counts = {"kept": kept, "duplicate": len(duplicates), "rejected": len(overlaps)}


def find_overlaps(rows: list[tuple[int, str]], benchmark: list[tuple[int, str]], threshold: float) -> list[Mark]:
    """The rows that repeat a benchmark prompt, with the most similar one."""
    if not benchmark:
        return []
    index = similarity.NearIndex()
    index.add([text for _, text in benchmark])
    found = index.find([text for _, text in rows], threshold)
    return [(row[0], benchmark[near.index][0], near.similarity) for row, near in zip(rows, found, strict=True) if near]


def mark(job: Job, marks: Iterable[Mark], state: Prompt.State) -> None:
    """Set the state of prompts with its reason."""
    changed = [
        Prompt(pk=pk, state=state, state_run=job.run, twin_id=twin, similarity=likeness) for pk, twin, likeness in marks
    ]
    Prompt.objects.bulk_update(changed, ["state", "state_run", "twin", "similarity"], batch_size=200)


def reject(job: Job) -> None:
    """Reject prompts of over-full categories, chosen by a seeded hash, so that a second try rejects the same."""
    with job.commit() as progress:
        Prompt.objects.filter(state_run=job.run).update(state=Prompt.State.ACTIVE, state_run=None)
        progress.cursor = {}
    ids = list(prompts_active().values_list("id", flat=True))
    categories = prompt_categories(map_published())
    job.total(len(ids))
    labelled = [(pk, categories[pk]) for pk in ids if pk in categories]
    kept, rejected = balance.reject(labelled, max_ratio=job.params.max_ratio, seed=job.params.seed)
    with job.commit() as progress:
        mark(job, [(pk, None, None) for pk in rejected], Prompt.State.REJECTED)
        progress.counts = {"kept": len(ids) - len(rejected), "rejected": len(rejected)}
