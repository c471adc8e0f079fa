"""What waits for a lead: labels about which two people disagree, and labels that somebody flagged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from annotation.label_use import label_use
from annotation.labelling import runs_read
from annotation.models import LabelComment, LabelOpinion, MapEntry
from annotation.selectors import map_draft
from madsafe_web.core.access import scoped
from madsafe_web.core.models import User


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said about a label: a target, or a comment."""

    person: str
    text: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A label of the draft that waits for a lead. `answers` are those that the reader may see."""

    id: int
    name: str
    revision: int
    prompts: int
    disagreed: bool
    flagged: bool
    answers: tuple[Said, ...]
    comments: tuple[Said, ...]


def conflicts(user: User) -> list[Waiting]:
    """The labels of the draft on which two people disagree or that are flagged, those on most prompts first."""
    draft = map_draft()
    if draft is None:
        return []
    asked = draft.entries.filter(second=MapEntry.Second.CONFLICT) | draft.entries.filter(flagged=True)
    entries = list(asked.select_related("label"))
    counts = label_use(runs_read(draft)).counts
    opinions = scoped(user, LabelOpinion).filter(entry__in=entries, standing=True).order_by("id")
    answers = _by(opinions.values_list("entry", "person__username", "target"))
    comments = LabelComment.objects.filter(label__in=[entry.label_id for entry in entries], standing=True)
    said = _by(comments.order_by("id").values_list("label", "author__username", "text"))
    found = [
        Waiting(
            id=entry.label_id,
            name=entry.label.name,
            revision=entry.revision,
            prompts=counts.get(entry.label_id, 0),
            disagreed=entry.second == MapEntry.Second.CONFLICT,
            flagged=entry.flagged,
            answers=tuple(answers[entry.pk]) if entry.second == MapEntry.Second.CONFLICT else (),
            comments=tuple(said[entry.label_id]),
        )
        for entry in entries
    ]
    return sorted(found, key=lambda one: (-one.prompts, one.id))


def _by(rows: Iterable[tuple[int, str, str]]) -> dict[int, list[Said]]:
    found: dict[int, list[Said]] = defaultdict(list)
    for pk, person, text in rows:
        found[pk].append(Said(person, text))
    return found
