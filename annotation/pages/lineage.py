"""Where a prompt came from, what became of it, what was made from it, and what was written down about that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.catalogue import held, stored
from annotation.models import Prompt
from annotation.text import clean
from madsafe_web.core.access import scoped
from madsafe_web.core.auditing.words import told
from madsafe_web.core.method import run_name
from madsafe_web.core.models import AuditEvent, Run, User

MOST_RELATIVES, MOST_EVENTS, MOST_RUNS = 20, 20, 12
SHOWN = 80  # characters of another prompt
# Deeds about runs and corpora; by their names, since the record is indexed by verb.
VERBS = ("run.create", "run.start", "run.pause", "run.resume", "run.cancel", "corpus.import", "corpus.withdraw")
Step = dict[str, Any]  # Any: what a template reads


@dataclass(frozen=True, slots=True)
class Relatives:
    """Other prompts of one kind of kinship, at most MOST_RELATIVES of `count`."""

    title: str
    prompts: list[Prompt]
    count: int


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the audit record as half a sentence after its actor."""

    at: datetime
    actor: str
    text: str


def lineage(row: Prompt) -> list[Step]:
    """From where the prompt came to what became of it, one step each."""
    steps = [_step(row.get_origin_display(), row.run)] if row.run else []
    for parent in Prompt.objects.filter(id__in=row.parents).order_by("id"):
        steps.append(_link(_("Made from"), parent.pk, clean(parent.text)[:SHOWN]))
    steps += [_step(_("Labelled"), run) for run in _runs(row.intents.values_list("run"))]
    steps += [_step(_("Answered"), run) for run in _runs(row.responses.exclude(run=row.run_id).values_list("run"))]
    steps += [_step(_("Scored"), run) for run in _runs(Prompt.objects.filter(pk=row.pk).values_list("scores__run"))]
    if row.state_run:
        steps.append(_step(row.get_state_display(), row.state_run))
    if row.twin_id:
        text = _("prompt %(id)s, similarity %(similarity).2f") % {"id": row.twin_id, "similarity": row.similarity or 0}
        steps.append(_link(_("Repeats"), row.twin_id, text))
    return steps


def _runs(rows: QuerySet[Any, tuple[Any]]) -> list[Run]:
    """The runs of some rows, the oldest first."""
    return list(Run.objects.filter(id__in=rows.order_by()).order_by("id")[:MOST_RUNS])


def _step(name: str, run: Run) -> Step:
    url = reverse("runs:detail", args=[run.pk])
    return {"name": name, "text": run_name(run), "url": url, "when": run.finished or run.started}


def _link(name: str, pk: int, text: str) -> Step:
    return {"name": name, "text": text, "url": reverse("annotation:prompt", args=[pk]), "when": None}


def family(row: Prompt, user: User) -> list[Relatives]:
    """The prompts made from this one, and those that repeat it; kinds without any are left out."""
    rows = scoped(user, Prompt).order_by("id")
    children = _children_of(row.pk)
    repeats = rows.filter(twin=row.pk)
    found = [
        Relatives(_("Made from this prompt"), list(rows.filter(pk__in=children[:MOST_RELATIVES])), len(children)),
        Relatives(_("Repeat this prompt"), list(repeats[:MOST_RELATIVES]), repeats.count()),
    ]
    return [one for one in found if one.count]


def _children_of(pk: int) -> list[int]:
    try:
        return held.current().children_of(pk)
    except held.NotReady:
        return stored.children_of(pk)


def events(row: Prompt, user: User) -> list[Told]:
    """What the record says about the runs of this prompt and about its corpus, the newest first."""
    runs = {run for run in (row.run, row.state_run) if run}
    for rows in (row.intents.values_list("run"), row.responses.values_list("run")):
        runs.update(_runs(rows))
    about = [*map(str, runs), row.corpus.name, f"prompt {row.pk}"]
    found = scoped(user, AuditEvent).filter(verb__in=VERBS, subject__in=about).order_by("-sequence")
    return [Told(one.at, one.actor_name, told(one)) for one in found[:MOST_EVENTS]]
