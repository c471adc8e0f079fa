"""Database work of the stages `sample_general` and `select`."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from django.db.models import Q

from annotation.labelling import links_read
from annotation.merge.reading import map_of
from annotation.models import Response
from annotation.selectors import prompt_categories, prompts_active
from madsafe_web.core.models import Run, RunRow
from madsafe_web.core.runs import service
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.job import Job
from madsafe_web.core.runs.stage import Outcome
from pipeline import balance
from pipeline.models import AlignmentSample, AlignmentSet, Score
from pipeline.scoring import scorer_name
from pipeline.selectors import general_ids

K = Score.Kind
S = AlignmentSample.Kind
SCORING = (K.PERPLEXITY, K.RESPONSE_SAFETY, K.INSTRUCTION_SAFETY)


def sample_general(job: Job) -> None:
    """Draw prompts of the general corpora by seed; which ones are drawn stands in the run's rows."""
    ids = general_ids()
    job.total(len(ids))
    drawn = sorted(random.Random(job.params.seed).sample(ids, min(job.params.count, len(ids))))
    with job.commit(kept=len(drawn), rejected=len(ids) - len(drawn)):
        rows = [RunRow(run=job.run, subject=str(pk), outcome=Outcome.DONE) for pk in drawn]
        RunRow.objects.bulk_create(rows, batch_size=1000)


@dataclass(slots=True)
class Scored:
    """Prompt id → score by each scorer's run of this chain; the best response of each prompt with its score."""

    perplexity: dict[int, float] = field(default_factory=dict)
    instruction: dict[int, float] = field(default_factory=dict)
    response: dict[int, tuple[float, int]] = field(default_factory=dict)


def read_scores(runs: Mapping[str, Run]) -> Scored:
    """The newest scores of the scorers that three scoring runs used, by these runs or by later ones of the same."""
    found = Scored()
    wanted = Q()
    for kind, run in runs.items():
        wanted |= Q(kind=kind, scorer=scorer_of(run))
    rows = Score.objects.filter(wanted, value__isnull=False).order_by("id")
    for kind, prompt_id, response_id, given in rows.values_list("kind", "prompt", "response", "value").iterator(5000):
        value = cast(float, given)
        if kind == K.PERPLEXITY:
            found.perplexity[prompt_id] = value
        elif kind == K.INSTRUCTION_SAFETY:
            found.instruction[prompt_id] = value
        else:  # the safest response wins; of equals the newest, which is the regenerated one
            found.response[prompt_id] = max(found.response.get(prompt_id, (0.0, 0)), (value, response_id))
    return found


def scorer_of(run: Run) -> str:
    """The scorer of a run as its scores name it: the endpoint may have been given another model since."""
    return Score.objects.filter(run=run).values_list("scorer", flat=True).first() or scorer_name(run)


def select(job: Job) -> None:
    """Make a draft set of the prompts whose scores pass, each with its safest response, and the general sample."""
    general = service.upstream(job.run, "sample_general")
    runs = {kind.value: service.upstream(job.run, kind) for kind in SCORING}
    merge_map = map_of(job.run)
    categories = prompt_categories(merge_map)
    scored = read_scores(runs)
    ids = list(prompts_active().values_list("id", flat=True))
    drawn = [int(subject) for subject in general.rows.order_by("id").values_list("subject", flat=True)]
    job.total(len(ids) + len(drawn))
    chosen, reasons = choose(ids, scored, job.params)
    if not chosen:
        raise StageError(
            "No prompt passes the limits of this selection; nothing was written. "
            f"Left out: {', '.join(f'{count} {reason}' for reason, count in reasons.items()) or 'none'}."
        )
    with job.commit() as progress:
        made = AlignmentSet.objects.create(
            name=job.params.name,
            rule={
                **job.run.params,
                "runs": {kind: run.pk for kind, run in runs.items()},
                "sample_general": general.pk,
            },
            counts={"safety": len(chosen), "general": len(drawn), "left_out": dict(reasons)},
            merge_map=merge_map,
            run=job.run,
            offline_rules=any(run.offline_rules for run in runs.values()),
        )
        _add_safety(made, chosen, scored, categories)
        _add_general(made, drawn)
        mark_offline_rules(made)
        job.output(set=made.pk)
        progress.counts = {
            "kept": len(chosen) + len(drawn),
            "rejected": len(ids) - len(chosen) - reasons["without a score"],
            "failed": reasons["without a score"],
        }


def mark_offline_rules(made: AlignmentSet) -> None:
    """Mark a set in which any prompt, response or label comes from the offline rules."""
    marked = Run.objects.filter(offline_rules=True)
    prompts = made.samples.values("prompt")
    rests = (
        made.samples.filter(Q(prompt__run__in=marked) | Q(response__run__in=marked)).exists()
        or links_read(made.merge_map).filter(prompt__in=prompts, run__in=marked).exists()
    )
    if rests:
        AlignmentSet.objects.filter(pk=made.pk).update(offline_rules=True)


def choose(ids: list[int], scored: Scored, params: Any) -> tuple[list[int], Counter[str]]:
    """The prompts that pass, and how many are left out for which reason (the first that applies)."""
    complete = [pk for pk in ids if pk in scored.perplexity and pk in scored.instruction and pk in scored.response]
    perplexity = {pk: math.exp(scored.perplexity[pk]) for pk in complete}
    limit = balance.perplexity_limit(list(perplexity.values()), params.perplexity_quantile) if complete else 0.0
    reasons = Counter({"without a score": len(ids) - len(complete)})
    chosen = []
    for pk in complete:
        if perplexity[pk] > limit:
            reasons["not fluent enough"] += 1
        elif scored.response[pk][0] < params.response_min:
            reasons["response not safe enough"] += 1
        elif scored.instruction[pk] > params.instruction_max:
            reasons["too harmless an instruction"] += 1
        else:
            chosen.append(pk)
    return chosen, reasons


def _add_safety(made: AlignmentSet, chosen: list[int], scored: Scored, categories: Mapping[int, str]) -> None:
    samples = [
        AlignmentSample(
            alignment_set=made,
            prompt_id=pk,
            response_id=scored.response[pk][1],
            kind=S.SAFETY,
            category=categories.get(pk, ""),
            scores={
                "nll": scored.perplexity[pk],
                "response_safety": scored.response[pk][0],
                "instruction_safety": scored.instruction[pk],
            },
        )
        for pk in chosen
    ]
    AlignmentSample.objects.bulk_create(samples, batch_size=1000)


def _add_general(made: AlignmentSet, drawn: list[int]) -> None:
    first: dict[int, int] = {}
    for start in range(0, len(drawn), 1000):
        found = Response.objects.filter(prompt__in=drawn[start : start + 1000]).order_by("-id")
        first |= dict(found.values_list("prompt", "id"))
    samples = [AlignmentSample(alignment_set=made, prompt_id=pk, response_id=first[pk], kind=S.GENERAL) for pk in drawn]
    AlignmentSample.objects.bulk_create(samples, batch_size=1000)
