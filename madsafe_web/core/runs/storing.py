"""How replies and outcomes of rows reach the database: past the ORM, many at once. Called inside a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection
from django.db.models import F
from django.utils import timezone

from madsafe_web.core import bulk
from madsafe_web.core.llm import templates
from madsafe_web.core.models import Chunk, Generation, PromptTemplate, Run, RunRow
from madsafe_web.core.runs import lease
from madsafe_web.core.runs.rows import Generated
from madsafe_web.core.runs.stage import COUNTED_AS, Outcome, Result
from madsafe_web.core.storable import storable

Ended = tuple[int, str, Result]  # chunk, key of the row, how it ended
REPLY = (
    *("call_key", "run_id", "endpoint_id", "model", "template_sha", "text", "reasoning", "finish", "prompt_tokens"),
    *("completion_tokens", "created"),
)
OUTCOME = ("run_id", "subject", "outcome", "error_class", "message")


def store_replies(run: Run, generated: Sequence[Generated]) -> None:
    """Store replies raw, with the templates they were made from. One that is known by its key stays as it is."""
    if not generated:
        return
    _store_templates({one.call.template_sha: one.call.template for one in generated})
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    ordered = sorted(generated, key=lambda one: one.reply.key)  # one order for all workers: no deadlock
    bulk.insert_at_once(Generation, REPLY, [_reply(run, one, now) for one in ordered], known="kept")


def unknown(generated: Sequence[Generated]) -> list[Generated]:
    """Those of the replies that are not stored."""
    known = {key for (key,) in bulk.found(Generation, ("call_key",), "call_key", [one.reply.key for one in generated])}
    return [one for one in generated if one.reply.key not in known]


def _reply(run: Run, one: Generated, now: Any) -> tuple[Any, ...]:
    reply, endpoint = one.reply, one.endpoint
    return (
        *(reply.key, run.pk, endpoint.pk, endpoint.model, one.call.template_sha, reply.text, reply.reasoning),
        *(reply.finish, reply.prompt_tokens, reply.completion_tokens, now),
    )


def _store_templates(names: dict[str, str]) -> None:
    known = set(PromptTemplate.objects.filter(sha256__in=names).values_list("sha256", flat=True))
    new = {sha: name for sha, name in names.items() if sha not in known}
    if new:
        PromptTemplate.objects.bulk_create(
            [PromptTemplate(name=name, sha256=sha, text=templates.load(name).text) for sha, name in new.items()],
            ignore_conflicts=True,
        )


def store_outcomes(run: Run, ended: Sequence[Ended], completed: Collection[int]) -> None:
    """Store how rows ended, add them to the counts of their chunks, and make the completed chunks done."""
    bulk.insert_at_once(RunRow, OUTCOME, [_outcome(run, key, result) for _, key, result in ended])
    sums: dict[int, Counter[str]] = {pk: Counter() for pk in completed}
    for pk, _, result in ended:
        sums.setdefault(pk, Counter()).update(("read", COUNTED_AS[result.outcome]))
    for pk, added in sums.items():
        done = lease.given_up(Chunk.State.DONE) if pk in completed else {}
        Chunk.objects.filter(pk=pk).update(**{name: F(name) + count for name, count in added.items()}, **done)


def _outcome(run: Run, key: str, result: Result) -> tuple[Any, ...]:
    named = result.kind or (result.message.partition(":")[0] if result.outcome == Outcome.ERROR else "")
    return (run.pk, key, result.outcome.value, named[:40], storable(result.message)[:500])
