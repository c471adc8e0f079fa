"""What a batch of a file's rows comes to, and its place in the tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.feeding import Ready
from annotation.importers.base import RejectedRow
from annotation.models import Corpus, Prompt, RejectedImport, Response
from annotation.searching import remember
from madsafe_web.core.bulk import found, insert, next_ids
from madsafe_web.core.models import Run

PROMPT = (
    *("id", "corpus_id", "run_id", "key", "text", "folded", "language", "source_id", "scenario", "attack_type"),
    *("payload", "origin", "state", "parents"),
)
NEW = (Prompt.Origin.IMPORTED.value, Prompt.State.ACTIVE.value, "[]")
OVERFLOW = "too_long"  # in a payload: field → the whole value, where the column holds only its beginning
RESPONSE = ("prompt_id", "run_id", "key", "text", "kind", "origin")
# Field of a row → the most characters that its column takes.
ROOM = {"source_id": 64, "scenario": 80, "attack_type": 40}
KIND_ROOM = 40


@dataclass(slots=True)
class Batch:
    """New prompts by key, new responses each with the key of its prompt, what is refused, and counts of all rows."""

    prompts: dict[bytes, Ready] = field(default_factory=dict)
    responses: list[tuple[bytes, bytes, str, str]] = field(default_factory=list)  # prompt, key, text, kind
    rejected: list[RejectedRow] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    ids: dict[bytes, int] = field(default_factory=dict)  # of prompts that the corpus holds


def sort_rows(corpus: Corpus, rows: Sequence[Ready | RejectedRow]) -> Batch:
    """Tell new from known: a row is a duplicate when the corpus holds its key and it brings no new response.

    Call inside the transaction that stores the batch, so that no other import comes in between.
    """
    batch = Batch()
    batch.rejected = [row for row in rows if isinstance(row, RejectedRow)]
    usable = [row for row in rows if isinstance(row, Ready)]
    batch.ids, held = _held(corpus, {row.key for row in usable})
    for row in usable:
        known = held.get(row.key)
        new = {one[0]: one for one in row.responses}
        if known is None:
            batch.prompts[row.key] = row
            held[row.key] = set(new)
        else:
            new = {key: one for key, one in new.items() if key not in known}
            known.update(new)
            if not new:
                batch.counts["duplicate"] += 1
                continue
        batch.counts["kept"] += 1
        if row.warnings:
            batch.warnings.update(row.warnings)
        batch.responses += [(row.key, *one) for one in new.values()]
    batch.counts["rejected"] = len(batch.rejected)
    return batch


def _held(corpus: Corpus, keys: set[bytes]) -> tuple[dict[bytes, int], dict[bytes, set[bytes]]]:
    """Of the prompts with these keys that the corpus holds: the ids, and the keys of their responses."""
    ids = {bytes(key): pk for key, pk in found(Prompt, ("key", "id"), "key", keys, corpus_id=corpus.pk)}
    by_id: dict[int, set[bytes]] = {pk: set() for pk in ids.values()}
    for pk, key in found(Response, ("prompt_id", "key"), "prompt_id", by_id):
        by_id[pk].add(bytes(key))
    return ids, {key: by_id[pk] for key, pk in ids.items()}


def store(run: Run, corpus: Corpus, batch: Batch) -> None:
    """Write a batch, searchable at once. Call inside the transaction in which it was sorted."""
    ids = batch.ids | dict(zip(batch.prompts, next_ids(Prompt, len(batch.prompts)), strict=True))
    overflow = _overflow(batch)
    # Rows are made as they are sent, so that PostgreSQL stores one while the next is made.
    prompts = (
        (ids[key], corpus.pk, run.pk, key, *prompt_columns(row, overflow.pop(key, None)))
        for key, row in batch.prompts.items()
    )
    insert(Prompt, PROMPT, prompts)
    remember((ids[key], row.folded) for key, row in batch.prompts.items())
    responses = (
        (ids[prompt], run.pk, key, text, kind[:KIND_ROOM], Response.Origin.IMPORTED.value)
        for prompt, key, text, kind in batch.responses
    )
    insert(Response, RESPONSE, responses)
    for key, long in overflow.items():
        _add_overflow(ids[key], long["kinds"])
    RejectedImport.objects.bulk_create(_reject(run, corpus, row) for row in batch.rejected)


def prompt_columns(row: Ready, long: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
    """The values of `PROMPT` from the text on; `long` is what the columns have no room for."""
    payload = {**row.payload, OVERFLOW: long} if long else row.payload
    return (
        *(row.text, row.folded, row.language),
        *(row.source_id[: ROOM["source_id"]], row.scenario[: ROOM["scenario"]], row.attack_type[: ROOM["attack_type"]]),
        *(json.dumps(payload, ensure_ascii=False) if payload else "{}", *NEW),
    )


def _overflow(batch: Batch) -> dict[bytes, dict[str, Any]]:
    """Prompt key → what its columns have no room for, by field, the kinds of its responses in a list; warned of."""
    whole: dict[bytes, dict[str, Any]] = {}
    for key, row in batch.prompts.items():
        if long := {name: text for name, room in ROOM.items() if len(text := getattr(row, name)) > room}:
            whole[key] = long
    for key, _, _, kind in batch.responses:
        if len(kind) > KIND_ROOM:
            whole.setdefault(key, {}).setdefault("kinds", []).append(kind)
    names = (name for long in whole.values() for name in long)
    batch.warnings.update(f"{name} is too long for its column; the whole of it is in the payload" for name in names)
    return whole


def _add_overflow(prompt_id: int, kinds: list[str]) -> None:
    """Note in the payload of a prompt that is stored already what there was no room for in its new responses."""
    payload = Prompt.objects.values_list("payload", flat=True).get(pk=prompt_id)
    long = payload.get(OVERFLOW, {})
    long = {**long, "kinds": [*long.get("kinds", []), *kinds]}
    Prompt.objects.filter(pk=prompt_id).update(payload={**payload, OVERFLOW: long})


def _reject(run: Run, corpus: Corpus, row: RejectedRow) -> RejectedImport:
    return RejectedImport(
        run=run,
        corpus=corpus,
        file=row.file[-200:],
        row=row.number,
        field=row.field[:60],
        reason=row.reason[:300],
        raw=row.raw,
    )
