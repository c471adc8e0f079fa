"""The only writers of corpora, prompts, labels and maps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.models import (
    Category,
    Corpus,
    DecidedBy,
    IntentLabel,
    LabelOperation,
    LabelSuggestion,
    MapEntry,
    MergeMap,
    Prompt,
    PromptIntent,
    Response,
)
from annotation.rows import Candidate, LabelRow, NewResponse, PromptRow
from annotation.searching import remember
from annotation.selectors import map_draft
from annotation.text import folded, language, prompt_key, response_key
from madsafe_web.core.audit import audit
from madsafe_web.core.llm.parse import Suggestion, label_key
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.stage import Outcome, Result

Kind = LabelOperation.Kind
GONE = Prompt.State.WITHDRAWN


class StaleDecision(Exception):
    """Somebody else decided about this label since it was shown."""


def labels_get(names: Sequence[str]) -> dict[str, int]:
    """Label key → id, for these spellings; labels not seen before are made."""
    by_key = {label_key(name): name for name in names}
    known = dict(IntentLabel.objects.filter(key__in=by_key).values_list("key", "id"))
    missing = sorted(set(by_key) - set(known))
    new = [IntentLabel(key=key, name=by_key[key], language=language(by_key[key])) for key in missing]
    IntentLabel.objects.bulk_create(new, ignore_conflicts=True)
    return dict(IntentLabel.objects.filter(key__in=by_key).values_list("key", "id"))


def intents_add(run: Run, labelled: Sequence[tuple[int, Sequence[str]]]) -> None:
    """Give prompts their labels, in the order the model named them."""
    ids = labels_get([name for _, names in labelled for name in names])
    links = [
        PromptIntent(prompt_id=prompt_id, label_id=ids[label_key(name)], run=run, position=position)
        for prompt_id, names in labelled
        for position, name in enumerate(names)
    ]
    PromptIntent.objects.bulk_create(links, ignore_conflicts=True, batch_size=1000)


def intents_write(run: Run, rows: list[tuple[str, PromptRow, Result]]) -> list[Result]:
    """Writer of stage `label`: a value is the tuple of labels of one prompt."""
    intents_add(run, [(row.id, result.value) for _, row, result in rows if result.value])
    return [result for _, _, result in rows]


def suggestions_write(run: Run, rows: list[tuple[str, LabelRow, Result]]) -> list[Result]:
    """Writer of stage `suggest`: a value is a Suggestion for one label."""
    categories = {category.code: category.pk for category in Category.objects.all()}
    new = [
        LabelSuggestion(
            label_id=row.id, run=run, category_id=categories.get(value.category), confidence=value.confidence
        )
        for _, row, result in rows
        if isinstance(value := result.value, Suggestion)
    ]
    LabelSuggestion.objects.bulk_create(new, ignore_conflicts=True)
    return [result for _, _, result in rows]


def responses_write(run: Run, rows: list[tuple[str, PromptRow, Result]]) -> list[Result]:
    """Writer of stage `regenerate`: a value is a NewResponse. A reply the prompt already has is a duplicate.

    A prompt that was withdrawn while a model answered gets no response any more.
    """
    gone = set(Prompt.objects.filter(pk__in=[row.id for _, row, _ in rows], state=GONE).values_list("id", flat=True))
    held = Response.objects.filter(prompt__in=[row.id for _, row, _ in rows]).values_list("prompt", "key")
    known = {(pk, bytes(key)) for pk, key in held}
    new: list[Response] = []
    results: list[Result] = []
    for _, row, result in rows:
        if isinstance(result.value, NewResponse):
            response = _regenerated(run, row.id, result.value)
            if row.id in gone:
                result = Result(None, Outcome.SKIPPED, "The prompt was withdrawn.")
            elif (row.id, response.key) in known:
                result = Result(None, Outcome.DUPLICATE, "The prompt already has this response.")
            else:
                new.append(response)
        results.append(result)
    Response.objects.bulk_create(new)
    return results


def _regenerated(run: Run, prompt_id: int, value: NewResponse) -> Response:
    return Response(
        prompt_id=prompt_id,
        key=response_key(value.text),
        text=value.text,
        origin=Response.Origin.REGENERATED,
        run=run,
        generation_id=value.generation,
    )


def generated_corpus() -> Corpus:
    """The corpus that generated prompts live in."""
    defaults = {"format": "generated", "role": Corpus.Role.ALIGNMENT}
    return Corpus.objects.get_or_create(name="Generated", defaults=defaults)[0]


def prompts_add_generated(run: Run, candidates: Sequence[Candidate]) -> list[int]:
    """Store generated prompts with their labels; returns their ids in order. Keys must be new to the corpus."""
    corpus = generated_corpus()
    rows = [
        Prompt(
            corpus=corpus,
            key=prompt_key(one.text),
            text=one.text,
            folded=folded(one.text),
            language=language(one.text),
            origin=Prompt.Origin.GENERATED,
            run=run,
            generation_id=one.generation,
            parents=list(one.parents),
        )
        for one in candidates
    ]
    Prompt.objects.bulk_create(rows, batch_size=500)
    by_key = {bytes(key): pk for pk, key in Prompt.objects.filter(run=run, corpus=corpus).values_list("id", "key")}
    ids = [by_key[bytes(row.key)] for row in rows]
    remember((pk, row.folded) for pk, row in zip(ids, rows, strict=True))
    intents_add(run, [(pk, one.labels) for pk, one in zip(ids, candidates, strict=True)])
    return ids


@transaction.atomic
def map_draft_open() -> MergeMap:
    """The draft map with an entry for every label: the open one completed, or a new copy of the newest version."""
    draft = map_draft()
    if draft is None:
        parent = MergeMap.objects.order_by("-version").first()
        draft = MergeMap.objects.create(version=parent.version + 1 if parent else 1, parent=parent)
        if parent:
            copies = [
                MapEntry(
                    merge_map=draft,
                    label_id=entry.label_id,
                    category_id=entry.category_id,
                    dropped=entry.dropped,
                    decided_by=entry.decided_by,
                )
                for entry in parent.entries.all()
            ]
            MapEntry.objects.bulk_create(copies, batch_size=1000)
    new = IntentLabel.objects.exclude(entries__merge_map=draft).filter(intents__isnull=False).distinct()
    entries = [MapEntry(merge_map=draft, label=label) for label in new.order_by("id")]
    MapEntry.objects.bulk_create(entries, batch_size=1000, ignore_conflicts=True)
    return draft


@dataclass(frozen=True, slots=True)
class Decision:
    """A category code, DROP for "not a safety label", or "" for undecided."""

    target: str

    @property
    def dropped(self) -> bool:
        return self.target == "DROP"


@transaction.atomic
def label_assign(
    *,
    entry: MapEntry,
    decision: Decision,
    seen_revision: int,
    user: User | None,
    kind: LabelOperation.Kind = LabelOperation.Kind.DO,
    undoes: LabelOperation | None = None,
) -> MapEntry:
    """Decide about one label of the draft map (by rule without a user) and log the step.

    Raises StaleDecision when somebody decided since `seen_revision`, StageError when the map is published.
    """
    if not MergeMap.objects.select_for_update().filter(pk=entry.merge_map_id, state=MergeMap.State.DRAFT).exists():
        raise StageError(f"Map {entry.merge_map} is published and can no longer change. Open the merge page again.")
    code = "" if decision.dropped else decision.target
    category = Category.objects.get(code=code) if code else None
    doer = DecidedBy.PERSON if user else DecidedBy.RULE
    by = (undoes.before["by"] if undoes else doer) if decision.target else DecidedBy.NOBODY
    updated = MapEntry.objects.filter(pk=entry.pk, revision=seen_revision).update(
        category=category, dropped=decision.dropped, decided_by=by, revision=seen_revision + 1
    )
    if not updated:
        raise StaleDecision(entry.label.name)
    after = {"target": decision.target, "by": by}
    LabelOperation.objects.create(
        kind=kind,
        merge_map=entry.merge_map,
        label_id=entry.label_id,
        actor=user,
        by=doer,
        before=entry_state(entry),
        after=after,
        undoes=undoes,
    )
    return MapEntry.objects.select_related("label", "category", "merge_map").get(pk=entry.pk)


def entry_state(entry: MapEntry) -> dict[str, str]:
    """What an entry says, in the form the history keeps."""
    target = "DROP" if entry.dropped else (entry.category.code if entry.category else "")
    return {"target": target, "by": entry.decided_by}


@transaction.atomic
def label_undo(*, user: User, merge_map: MergeMap) -> MapEntry | None:
    """Undo the user's own newest step that still stands; None when there is none. Raises StaleDecision.

    An undo is a step of its own, so nothing is ever lost and it can itself be taken back (redo).
    """
    standing = merge_map.operations.filter(actor=user, undone_by=None).exclude(kind=Kind.UNDO)
    return _invert(standing.order_by("-id").first(), user, Kind.UNDO)


@transaction.atomic
def label_redo(*, user: User, merge_map: MergeMap) -> MapEntry | None:
    """Take the user's newest undo back, unless a new decision followed it; None when there is nothing to redo."""
    own = merge_map.operations.filter(actor=user)
    undo = own.filter(kind=Kind.UNDO, undone_by=None).order_by("-id").first()
    if undo is None or own.filter(kind=Kind.DO, pk__gt=undo.pk).exists():
        return None
    return _invert(undo, user, Kind.REDO)


def _invert(step: LabelOperation | None, user: User, kind: LabelOperation.Kind) -> MapEntry | None:
    if step is None:
        return None
    entries = MapEntry.objects.select_related("label", "category", "merge_map")
    entry = entries.get(merge_map=step.merge_map_id, label=step.label_id)
    if entry_state(entry)["target"] != step.after["target"]:
        raise StaleDecision(entry.label.name)
    decision = Decision(step.before["target"])
    after = label_assign(
        entry=entry, decision=decision, seen_revision=entry.revision, user=user, kind=kind, undoes=step
    )
    audit(user, f"label.{kind}", f"map {entry.merge_map}", **step_facts(entry, after))
    return after


def step_facts(before: MapEntry, after: MapEntry) -> dict[str, Any]:
    """One decision as the audit record keeps it: the label by id, and what the entry said with its revision."""
    states = [{"target": entry_state(entry)["target"], "revision": entry.revision} for entry in (before, after)]
    return {"label": before.label_id, "before": states[0], "after": states[1]}


@transaction.atomic
def map_publish(merge_map: MergeMap, user: User | None) -> MergeMap:
    """Publish a draft for ever under the hash of its content. Raises StageError when it was published meanwhile."""
    MergeMap.objects.select_for_update().get(pk=merge_map.pk)  # no decision comes in between hash and state
    digest = map_sha256(merge_map)
    draft = MergeMap.objects.filter(pk=merge_map.pk, state=MergeMap.State.DRAFT)
    if not draft.update(state=MergeMap.State.PUBLISHED, sha256=digest, published=timezone.now()):
        raise StageError(f"Map {merge_map} is already published.")
    audit(user, "map.publish", f"map {merge_map}", sha256=digest)
    merge_map.refresh_from_db()
    return merge_map


def map_sha256(merge_map: MergeMap) -> str:
    """SHA-256 over label key and target of every entry, by key: equal maps have equal hashes."""
    rows = merge_map.entries.order_by("label__key").values_list("label__key", "category__code", "dropped")
    digest = hashlib.sha256()
    for key, code, dropped in rows.iterator(2000):
        digest.update(f"{key}\t{'DROP' if dropped else code or ''}\n".encode())
    return digest.hexdigest()
