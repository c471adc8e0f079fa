"""Work of the stage `dry_run`: plan another stage without keeping the plan, ask its first rows, estimate the rest.

Nothing of that stage is written. Replies are, as always before they are read: the true run finds them in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import orjson
from django.db import transaction

from madsafe_web.core.llm import templates, versions
from madsafe_web.core.llm.templates import Template
from madsafe_web.core.models import Generation, Run, User
from madsafe_web.core.runs import estimating, params, service
from madsafe_web.core.runs.errors import ConfigError, StageError
from madsafe_web.core.runs.job import Job
from madsafe_web.core.runs.rows import Finished, RowEngine
from madsafe_web.core.runs.stage import COUNTED_AS, RowStage
from madsafe_web.core.runs.stages import point, stage
from madsafe_web.core.runs.starting import run_queue
from madsafe_web.core.runs.storing import store_replies
from madsafe_web.core.runs.trying_rows import Asked, Notes
from madsafe_web.core.runs.worker import endpoint_names
from madsafe_web.core.storable import storable

STAGE = "dry_run"
MOST_ROWS = 200
SHOWN_CHARACTERS = 4_000  # of each text


@dataclass(frozen=True, slots=True)
class Plan:
    """The first rows of a stage as its run would work on them, and how many there are in all."""

    declared: RowStage
    params: Any
    context: Any
    endpoints: Sequence[str]
    texts: dict[str, Template]
    rows: Sequence[tuple[str, Any]]
    total: int


def check(values: dict[str, Any]) -> RowStage:
    """The stage that a dry run is of. Raises ConfigError for one that asks nothing row by row, and wrong parameters."""
    declared = stage(values.get("stage", ""))
    if not isinstance(declared, RowStage):
        raise ConfigError(f"'{declared.name}' works on everything at once and asks no model row by row.")
    if not 1 <= int(values.get("rows", 1)) <= MOST_ROWS:
        raise ConfigError(f"A dry run asks 1 to {MOST_ROWS} rows.")
    params.build(declared.params, values.get("values", {}), where=f"Stage '{declared.name}'")
    return declared


@transaction.atomic
def dry_start(*, user: User, values: dict[str, Any]) -> Run:
    """Make a dry run and queue it for a worker. Raises ConfigError."""
    check(values)
    run = service.run_create(stage_name=STAGE, values=values, user=user)
    run_queue(run=run, user=user, verb="run.start")
    return run


def work(job: Job) -> None:
    """Ask the rows and keep what was said on the run. Raises StageError, EndpointDown."""
    try:
        plan = planned(job.run, asdict(job.params))
    except ConfigError as error:
        raise StageError(str(error)) from None
    job.total(len(plan.rows))
    notes = Notes(plan.declared.process)
    declared = replace(plan.declared, process=notes.process)
    with templates.using(plan.texts), RowEngine(declared, plan.params, plan.context, plan.endpoints) as engine:
        if engine.offline_rules:
            job.offline_rules()
        finished, new = _ask(job, engine, plan.rows)
        held = {name: estimating.terms(row.concurrency, row.options) for name, row in engine.endpoints.items()}
    _keep(job, plan, finished, notes, new, held)


def _ask(job: Job, engine: RowEngine, rows: Sequence[tuple[str, Any]]) -> tuple[list[Finished], set[str]]:
    """The rows as they ended, and the keys of the replies that were not in the cache. Raises what ended them early."""
    finished: list[Finished] = []
    new: set[str] = set()
    engine.give(job.chunk.pk, rows)
    try:
        while len(finished) < len(rows):
            group = engine.take()
            with transaction.atomic():
                store_replies(job.run, group.generated)
            new.update(one.reply.key for one in group.generated)
            finished += group.finished
            if engine.error:
                raise engine.error
            job.check()
    finally:
        with transaction.atomic():
            store_replies(job.run, engine.halt().generated)
    return finished, new


def planned(dry: Run, values: dict[str, Any]) -> Plan:
    """What the stage would do first. Planning writes in some stages, so all of it is taken back."""
    declared = check(values)
    with transaction.atomic():
        run = _target(dry, values)
        built = params.build(declared.params, run.params, where=str(run))
        versions.freeze(run, declared.templates)
        keys = iter(point(declared.plan)(run))
        first = list(islice(keys, values["rows"]))
        plan = Plan(
            declared=declared,
            params=built,
            context=point(declared.context)(run) if declared.context else None,
            endpoints=endpoint_names(run, declared),
            texts=dict(versions.frozen(run)),
            rows=list(point(declared.fetch)(run, first)),
            total=len(first) + sum(1 for _ in keys),
        )
        transaction.set_rollback(True)
    return plan


def _target(dry: Run, values: dict[str, Any]) -> Run:
    """The run that is tried: the one named, or one that is there for the planning only."""
    if values["of"]:
        run = Run.objects.filter(pk=values["of"], stage=values["stage"]).first()
        if run is None:
            raise StageError(f"There is no run {values['of']} of '{values['stage']}' any more.")
        return run
    built = params.build(stage(values["stage"]).params, values["values"], where=f"Stage '{values['stage']}'")
    return Run.objects.create(stage=values["stage"], params=params.freeze(built), actor_name=dry.actor_name)


def _keep(
    job: Job,
    plan: Plan,
    finished: Sequence[Finished],
    notes: Notes,
    new: set[str],
    held: dict[str, estimating.Terms],
) -> None:
    """Put the rows in their order with the estimate on the run, and end it."""
    order = {key: place for place, (key, _) in enumerate(plan.rows)}
    ended = sorted(finished, key=lambda one: order[one.key])
    tokens = _tokens({one.reply.key for row in ended for one in notes.of(row.row)})
    calls = [[_call(one, tokens, new) for one in notes.of(row.row)] for row in ended]
    shares = estimating.shares(calls, plan.total, held)
    rows = [_row(one, notes.of(one.row), new) for one in ended]
    failed = sum(COUNTED_AS[one.result.outcome] == "failed" for one in ended)
    with job.commit(kept=len(ended) - failed, failed=failed):
        job.output(
            stage=plan.declared.name,
            total=plan.total,
            rows=rows,
            shares=[asdict(share) for share in shares],
            costs=estimating.costs(shares),
            seconds=estimating.duration_s(shares),
        )


def _tokens(keys: set[str]) -> dict[str, tuple[int, int]]:
    """Key of a stored reply → its tokens, which a reply from the cache does not carry."""
    rows = Generation.objects.filter(call_key__in=keys)
    return {key: (asked, given) for key, asked, given in rows.values_list(*_TOKENS)}


_TOKENS = ("call_key", "prompt_tokens", "completion_tokens")


def _call(one: Asked, tokens: dict[str, tuple[int, int]], new: set[str]) -> estimating.Call:
    prompt, completion = tokens.get(one.reply.key, (one.reply.prompt_tokens, one.reply.completion_tokens))
    cached = bool(one.reply.key) and one.reply.key not in new
    return estimating.Call(one.endpoint, prompt, completion, None if cached else one.seconds)


def _row(ended: Finished, asked: Sequence[Asked], new: set[str]) -> dict[str, Any]:
    """A row as its page shows it."""
    result = ended.result
    value = orjson.dumps(result.value, default=str, option=orjson.OPT_INDENT_2).decode() if result.value else ""
    return {
        "key": ended.key,
        "outcome": str(result.outcome),
        "message": storable(result.message),
        "value": storable(value)[:SHOWN_CHARACTERS],
        "calls": [
            {
                "endpoint": one.endpoint,
                "messages": [[role, storable(text)[:SHOWN_CHARACTERS]] for role, text in one.messages],
                "reply": one.reply.text[:SHOWN_CHARACTERS],
                "reasoning": one.reply.reasoning[:SHOWN_CHARACTERS],
                "finish": one.reply.finish,
                "cached": bool(one.reply.key) and one.reply.key not in new,
                "seconds": None if one.seconds is None else round(one.seconds, 3),
                "error": storable(one.error),
            }
            for one in asked
        ],
    }


def forget() -> list[int]:
    """Blank what dry runs show, for the withdrawal of a corpus; returns their ids, whose replies may go too."""
    rows = Run.objects.filter(stage=STAGE)
    rows.update(outputs={})
    return sorted(rows.values_list("pk", flat=True))
