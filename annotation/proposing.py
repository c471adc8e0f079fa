"""Database work of stage `propose`: which labels may mean the same, kept until labels or prompts change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson
from django.db.models import Count, Max, Model
from django.db.models.functions import Left

from annotation.clustering.examples import examples_orders
from annotation.clustering.grouping import blended
from annotation.clustering.proposers.base import Material, Pair, Proposer
from annotation.clustering.proposing import LETTERS, By, proposers
from annotation.clustering.reading import reading_order
from annotation.label_use import links_counted
from annotation.models import IntentLabel, LabelPair, LabelPlace, Prompt, PromptIntent
from annotation.selectors import prompts_standing, propose_run_kept
from annotation.text import clean
from madsafe_web.core.bulk import insert
from madsafe_web.core.models import Run
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.job import Job

PAIR = ("run_id", "first_id", "second_id", "letter", "kind", "weight")
PLACE = ("run_id", "label_id", "place", "examples")
COMPARED = 5_000  # labels compared with each other by more than their keys: that takes memory by the square
SAMPLED = 40  # prompts read of each label
LONGEST = 1_000  # characters read of each
TEXTS = 5_000  # prompts read at once
LINKS = 20_000  # links read at once
WRITTEN = 2_000  # rows written by one commit
SHOWN = 16  # prompts of each label that are put in order
SCATTER = 2_654_435_761  # Knuth's multiplier: takes prompts from all over the corpora, always the same ones
READ, PROPOSED, ORDERED = 0.2, 0.8, 0.9  # share of the work that is done after each part


@dataclass(frozen=True, slots=True)
class Sample:
    """The prompts looked at: label id → ids of all its prompts, of the sampled ones; prompt id → text."""

    used: Mapping[int, frozenset[int]]
    chosen: Mapping[int, Sequence[int]]
    texts: Mapping[int, str]


def propose(job: Job) -> None:
    """Write the evidence between all labels, those that no prompt carries too, and the order in which to read them.

    A try that was killed is made again from its beginning, in place of what it left. Raises StageError without labels.
    """
    names = dict(IntentLabel.objects.order_by("id").values_list("id", "name"))
    if not names:
        raise StageError("There are no labels to compare. Run the stage 'label' first.")
    job.total(len(names))
    state, kept = fingerprint(job.params.by), propose_run_kept()
    if kept is not None and kept.outputs.get("fingerprint") == state:
        job.log(f"Labels and prompts are the same as in run {kept.pk}: what it found is kept.")
        with job.commit(kept=len(names)):
            job.output(kept_in=kept.pk, fingerprint=state)
        return
    _write_anew(job, names, state)


def fingerprint(by: By) -> str:
    """What the result rests on: as long as it stays, a new run would find the same."""
    newest, number = links_counted()
    labels = IntentLabel.objects.aggregate(newest=Max("id"), number=Count("id"))
    withdrawn = Prompt.objects.filter(state=Prompt.State.WITHDRAWN).count()
    held = f"labels {labels['newest']}/{labels['number']} links {newest}/{number} withdrawn {withdrawn}"
    return f"{by} {'+'.join(_proposers(by))} {held}"


def proposals_stale() -> int:
    """Number of labels that the newest run of `propose` did not look at."""
    kept = propose_run_kept()
    seen = LabelPlace.objects.filter(run=kept).values("label") if kept else LabelPlace.objects.none().values("label")
    return IntentLabel.objects.exclude(pk__in=seen).count()


def _write_anew(job: Job, names: Mapping[int, str], state: str) -> None:
    for model in (LabelPair, LabelPlace):
        model.objects.filter(run=job.run).delete()
    compared = _compared(job, names)
    sample = _sample(names) if job.params.by == "prompts" else Sample({}, {}, {})
    _advance(job, len(names), READ)
    pairs = _pairs(job, names, compared, sample)
    id_of = {name: pk for pk, name in names.items()}
    order = [*reading_order(compared, blended(pairs)), *sorted(id_of.keys() - set(compared))]
    examples = _examples(list(names), sample)
    _advance(job, len(names), ORDERED)
    _write(job, LabelPair, PAIR, [(job.run.pk, *_row(id_of, pair)) for pair in pairs])
    places = [
        (job.run.pk, id_of[name], place, orjson.dumps(examples[id_of[name]]).decode())
        for place, name in enumerate(order)
    ]
    _write(job, LabelPlace, PLACE, places)
    with job.commit(kept=len(names) - _counted(job)):
        _forget_older(job.run)
        job.output(fingerprint=state, pairs=len(pairs))


def _row(id_of: Mapping[str, int], pair: Pair) -> tuple[int, int, str, str, float]:
    first, second = sorted((id_of[pair.first], id_of[pair.second]))
    return first, second, pair.letter, pair.kind, pair.weight


def _compared(job: Job, names: Mapping[int, str]) -> list[str]:
    """The labels to compare with each other, in the order of their ids: those that the most prompts carry."""
    if len(names) <= COMPARED:
        return list(names.values())
    job.log(f"Of {len(names)} labels the {COMPARED} on most prompts are compared, the others by equal keys alone.")
    counts = dict(PromptIntent.objects.values_list("label").annotate(n=Count("id")).order_by())
    first = sorted(names, key=lambda pk: (-counts.get(pk, 0), pk))[:COMPARED]
    return [names[pk] for pk in sorted(first)]


def _sample(names: Mapping[int, str]) -> Sample:
    """Which prompts carry which label, and the texts of at most 40 prompts of each: always the same ones."""
    links = PromptIntent.objects.values_list("label", "prompt").iterator(LINKS)
    read = np.unique(np.fromiter(chain.from_iterable(links), dtype=np.int64).reshape(-1, 2), axis=0)
    read = read[np.isin(read[:, 0], list(names))]
    scattered = read[np.lexsort((read[:, 1] * SCATTER % 2**32, read[:, 0]))]
    starts = np.flatnonzero(np.diff(scattered[:, 0], prepend=-1))
    used, chosen = {}, {}
    for prompts in np.split(scattered, starts[1:]) if len(starts) else ():
        label, ids = int(prompts[0, 0]), prompts[:, 1].tolist()
        used[label], chosen[label] = frozenset(ids), sorted(ids[:SAMPLED])
    return Sample(used, chosen, _texts(sorted({pk for ids in chosen.values() for pk in ids})))


def _texts(prompts: Sequence[int]) -> dict[int, str]:
    """Prompt id → the beginning of its text, without the prompts that were withdrawn."""
    found: dict[int, str] = {}
    for at in range(0, len(prompts), TEXTS):
        rows = prompts_standing().filter(pk__in=prompts[at : at + TEXTS]).values_list("pk", Left("text", LONGEST))
        found |= {pk: clean(text) for pk, text in rows}
    return found


def _pairs(job: Job, names: Mapping[int, str], compared: Sequence[str], sample: Sample) -> list[Pair]:
    """What all proposers find, each pair once for each kind of evidence."""
    texts = {names[pk]: _texts_of(sample, pk) for pk in names}
    used = {names[pk]: used for pk, used in sample.used.items()}
    asked = _proposers(job.params.by)
    best: dict[tuple[str, str, str], Pair] = {}
    for number, proposer in enumerate(asked.values(), 1):
        labels = list(names.values()) if proposer.letter == "A" else compared
        for pair in proposer.propose(Material(labels, texts, used)):
            key = (pair.first, pair.second, pair.kind)
            if key not in best or best[key].weight < pair.weight:
                best[key] = pair
        _advance(job, len(names), READ + (PROPOSED - READ) * number / len(asked))
    return [best[key] for key in sorted(best)]


def _proposers(by: By) -> dict[str, Proposer]:
    return {name: one for name, one in proposers().items() if one.letter in LETTERS[by]}


def _examples(labels: Sequence[int], sample: Sample) -> dict[int, list[int]]:
    """Label → ids of the prompts worth showing: the most central first, then the most unlike."""
    chosen = [[pk for pk in sample.chosen.get(label, ()) if sample.texts.get(pk)][:SHOWN] for label in labels]
    orders = examples_orders([[sample.texts[pk] for pk in ids] for ids in chosen])
    return {label: [ids[at] for at in order] for label, ids, order in zip(labels, chosen, orders, strict=True)}


def _texts_of(sample: Sample, label: int) -> list[str]:
    return [text for pk in sample.chosen.get(label, ()) if (text := sample.texts.get(pk))]


def _counted(job: Job) -> int:
    """Labels that count as read already, those of a try that was killed among them."""
    counted: int = job.cursor.get("counted", 0)
    return counted


def _advance(job: Job, labels: int, share: float) -> None:
    """Let as many labels count as read as stand for this share of the work."""
    job.check()
    reached = max(_counted(job), int(labels * share))
    with job.commit(kept=reached - _counted(job)) as progress:
        progress.cursor = {"counted": reached}


def _write(job: Job, model: type[Model], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    for at in range(0, len(rows), WRITTEN):
        job.check()
        with job.commit() as progress:
            progress.cursor = job.cursor
            insert(model, columns, rows[at : at + WRITTEN])


def _forget_older(run: Run) -> None:
    """Nobody reads what earlier runs found once this one is done."""
    older = Run.objects.filter(stage="propose", pk__lt=run.pk, state=Run.State.DONE)
    for model in (LabelPair, LabelPlace):
        model.objects.filter(run__in=older).delete()
