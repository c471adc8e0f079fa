"""Labelling runs, and which of their links of prompts to labels a merge map reads.

A run that labels stored prompts (by a model, or from a file) may follow an older one with another model. A map names
the runs it reads, so it says the same about every prompt for ever. Prompts that a stage generates come with labels of
their own: no map leaves those out.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, QuerySet

from annotation.models import IntentLabel, MergeMap, PromptIntent
from madsafe_web.core.method import WORKING
from madsafe_web.core.models import Run

LABELLING = ("label", "import_labels")  # stages whose links are about prompts that were there before


def runs_labelling() -> QuerySet[Run]:
    """All labelling runs, oldest first."""
    return Run.objects.filter(stage__in=LABELLING).order_by("id")


def runs_linking() -> QuerySet[Run]:
    """The labelling runs that ended and gave labels to prompts."""
    return runs_labelling().exclude(state__in=WORKING).filter(Exists(links_of(OuterRef("pk"))))


def runs_unread(merge_map: MergeMap | None) -> frozenset[int]:
    """Ids of the labelling runs that a map does not read; one that names no run reads all, and so does no map."""
    if merge_map is None or not merge_map.runs:
        return frozenset()
    return frozenset(runs_labelling().exclude(pk__in=merge_map.runs).values_list("id", flat=True))


def runs_read(merge_map: MergeMap | None) -> frozenset[int] | None:
    """Ids of the runs whose links a map reads; None for all."""
    unread = runs_unread(merge_map)
    return frozenset(Run.objects.exclude(pk__in=unread).values_list("id", flat=True)) if unread else None


def links_read(merge_map: MergeMap | None) -> QuerySet[PromptIntent]:
    """The links of prompts to labels that a map reads; all of them without a map."""
    unread = runs_unread(merge_map)
    return PromptIntent.objects.exclude(run__in=unread) if unread else PromptIntent.objects.all()


def labels_to_merge(merge_map: MergeMap | None) -> QuerySet[IntentLabel]:
    """The labels that a map has to say something about, by id: all but those that only runs it leaves out gave.

    Those of a newer run, and imported ones that no prompt carries, are among them.
    """
    labels = IntentLabel.objects.order_by("id")
    left = merge_map.runs_left if merge_map else []
    if not left:
        return labels
    links = PromptIntent.objects.filter(label=OuterRef("pk"))
    return labels.exclude(Exists(links.filter(run__in=left)) & ~Exists(links.exclude(run__in=left)))


def runs_next(runs: Sequence[int], left: Sequence[int]) -> tuple[list[int], list[int]]:
    """Runs that a draft reads and runs that it leaves out, once the labelling runs that ended since are among them.

    A newer run takes the place of an older one all of whose prompts it labels; otherwise both are read.
    """
    new = list(runs_linking().exclude(pk__in=[*runs, *left]).values_list("id", flat=True))
    read, out = [*runs, *new], list(left)
    for run in new:
        replaced = [older for older in read if older < run and older not in out and _covers(run, older)]
        out += replaced
    return sorted(set(read) - set(out)), sorted(set(out))


def links_of(run: OuterRef | int) -> QuerySet[PromptIntent]:
    return PromptIntent.objects.filter(run=run)


def _covers(run: int, older: int) -> bool:
    """Whether a run labels every prompt that an older one labels."""
    again = PromptIntent.objects.filter(prompt=OuterRef("prompt"), run=run)
    return not links_of(older).filter(~Exists(again)).exists()
