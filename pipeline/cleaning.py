"""Database work of the stages `deduplicate` and `reject`: prompts are marked, never deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from django.db import connection

from annotation.merge.reading import map_of
from annotation.models import Corpus, Prompt
from annotation.selectors import prompt_categories, prompts_active, texts_of_role
from annotation.text import clean
from annotation.versions import data_changed
from madsafe_web.core.runs.job import Job
from pipeline import balance, similarity

BATCH_ROWS = 2000
Mark = tuple[int, int | None, float | None]  # prompt id, id of its twin, similarity


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt as it is compared: `attack` when an attack technique, often a shared scaffold, is wrapped around it."""

    pk: int
    text: str
    attack: bool


def deduplicate(job: Job) -> None:
    """Mark prompts that repeat an earlier kept one as duplicates, and those that repeat a benchmark's as overlaps.

    What an earlier try of this run had marked is unmarked first, so a second try counts the same.
    """
    with job.commit():
        marked = Prompt.objects.filter(state_run=job.run)
        if marked.update(state=Prompt.State.ACTIVE, state_run=None, twin=None, similarity=None):
            data_changed()
    params = job.params
    active = prompts_active().values_list("id", "text", "attack_type")
    rows = [Text(pk, clean(text), bool(attack)) for pk, text, attack in active.iterator(BATCH_ROWS)]
    job.total(len(rows))
    benchmark = [Text(pk, text, False) for pk, text in texts_of_role(Corpus.Role.BENCHMARK)]
    overlaps = repeated(rows, benchmark, params.overlap_threshold)
    job.log(f"{len(overlaps)} of {len(rows)} prompts overlap a benchmark.")
    job.check()
    duplicates = find_duplicates(without(rows, overlaps), params.threshold, params.attack_threshold)
    job.check()
    with job.commit() as progress:
        mark(job, overlaps, Prompt.State.OVERLAP)
        mark(job, duplicates, Prompt.State.DUPLICATE)
        kept = len(rows) - len(overlaps) - len(duplicates)
        progress.counts = {"kept": kept, "duplicate": len(duplicates), "rejected": len(overlaps)}


def find_duplicates(rows: list[Text], threshold: float, attack_threshold: float) -> list[Mark]:
    """The rows that repeat an earlier kept one; rows with an attack type count as repeats only when more alike."""
    plain = [row for row in rows if not row.attack]
    attacks = [row for row in rows if row.attack]
    found = repeats(plain, threshold) + repeats(attacks, attack_threshold)
    return found + repeated(without(attacks, found), without(plain, found), attack_threshold)


def repeats(rows: list[Text], threshold: float) -> list[Mark]:
    """The rows that repeat an earlier kept row of the same list."""
    twins = similarity.duplicates([row.text for row in rows], threshold)
    return [(row.pk, rows[twin[0]].pk, twin[1]) for row, twin in zip(rows, twins, strict=True) if twin]


def repeated(rows: list[Text], others: list[Text], threshold: float) -> list[Mark]:
    """The rows that repeat one of the others, with the most similar one."""
    index = similarity.NearIndex(threshold)
    index.add([other.text for other in others])
    found = index.find([row.text for row in rows])
    return [(row.pk, others[near[0]].pk, near[1]) for row, near in zip(rows, found, strict=True) if near]


def without(rows: list[Text], marks: list[Mark]) -> list[Text]:
    """The rows that none of the marks is about."""
    gone = {pk for pk, _, _ in marks}
    return [row for row in rows if row.pk not in gone]


def mark(job: Job, marks: Iterable[Mark], state: Prompt.State) -> None:
    """Set the state of prompts with its reason, unless they were withdrawn meanwhile.

    Plain SQL, since bulk_update takes a hundred times as long.
    """
    gone = Prompt.State.WITHDRAWN.value
    rows = [(state.value, job.run.pk, twin, likeness, pk, gone) for pk, twin, likeness in marks]
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE annotation_prompt SET state = %s, state_run_id = %s, twin_id = %s, similarity = %s"
            " WHERE id = %s AND state <> %s",
            rows,
        )
    if rows:
        data_changed()


def reject(job: Job) -> None:
    """Reject prompts of over-full categories, chosen by a seeded hash, so that a second try rejects the same."""
    with job.commit():
        if Prompt.objects.filter(state_run=job.run).update(state=Prompt.State.ACTIVE, state_run=None):
            data_changed()
    ids = list(prompts_active().values_list("id", flat=True))
    categories = prompt_categories(map_of(job.run))
    job.total(len(ids))
    labelled = [(str(pk), categories[pk]) for pk in ids if pk in categories]
    quota = most_per_category(Counter(code for _, code in labelled), job.params.max_ratio)
    _, rejected = balance.reject(labelled, seed=job.params.seed, quota=quota)
    with job.commit() as progress:
        mark(job, [(int(pk), None, None) for pk in rejected], Prompt.State.REJECTED)
        progress.counts = {"kept": len(ids) - len(rejected), "rejected": len(rejected)}


def most_per_category(counts: Mapping[str, int], max_ratio: float) -> int:
    """How many prompts a category may keep: `max_ratio` times the median category, at least 1."""
    return max(1, int(max_ratio * median(counts.values()))) if counts else 1
