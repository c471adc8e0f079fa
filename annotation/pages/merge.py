"""What the merge page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.forms import VIEWS, LabelFilter
from annotation.label_use import LabelUse, label_use
from annotation.labelling import runs_read
from annotation.merge.states import DROP
from annotation.merge.telling import about
from annotation.models import Category, LabelChange, LabelOperation, MergeMap
from annotation.pages.label_detail import Mark, actor_of, evidence_key, marks, selected_context
from annotation.pages.labels import (
    LabelState,
    NotUsed,
    category_of,
    label_states,
    map_shown,
    suggestion_of,
    targets,
)
from annotation.selectors import merge_waiting
from madsafe_web.core.access import can
from madsafe_web.core.models import User

MOST_SENT = 500
HISTORY = 6
RECENT = 100  # steps looked through for what others changed
Kind = LabelOperation.Kind
Context = dict[str, Any]  # Any: a template's context


@dataclass(frozen=True, slots=True)
class Row:
    """A label in the list, as the template reads it."""

    id: int
    revision: int
    name: str
    lang: str
    prompts: int
    category: Category | str | None
    suggestion: Category | NotUsed | None
    confidence: float | None
    evidence: list[Mark]
    differs: bool
    changed_by: str
    ticked: bool = False


@dataclass(frozen=True, slots=True)
class MergeState:
    """The labels as one request finds them, so that a view can ask several things of one reading."""

    merge_map: MergeMap | None
    use: LabelUse
    labels: list[LabelState]

    def listed(self, filters: LabelFilter) -> list[LabelState]:
        return [state for state in self.labels if state.fits(filters)]


def merge_state() -> MergeState:
    merge_map = map_shown()
    use = label_use(runs_read(merge_map))
    return MergeState(merge_map, use, label_states(merge_map, use))


def merge_context(user: User, filters: LabelFilter, conflict: Context | None = None) -> Context:
    """The whole page for one person."""
    state = merge_state()
    categories = {row.code: row for row in Category.objects.all()}
    listed = state.listed(filters)
    steps = _steps(state.merge_map)
    return {
        "conflict": conflict,
        "tabs": _tabs(state, filters),
        "filters": {"q": filters.text("q"), "view": filters.view_name, "category": filters.text("category")},
        "query": filters.place(),
        "evidence_key": evidence_key(),
        "selected": _selected(state, listed, filters, categories),
        "clusters": _clusters(listed[:MOST_SENT], categories, user, steps),
        "truncated": len(listed) > MOST_SENT,
        "shown": min(len(listed), MOST_SENT),
        "total": len(listed),
        "history": [_told(step, categories) for step in steps[:HISTORY]],
        **_progress(state),
        **_by_category(state, categories),
        **_map(state, user),
    }


def pane_context(label_id: int, filters: LabelFilter) -> Context:
    """Only the side with one label; `selected` is None for a label that no prompt carries."""
    state = merge_state()
    categories = {row.code: row for row in Category.objects.all()}
    chosen = next((one for one in state.labels if one.id == label_id), None)
    selected = selected_context(chosen, state.use, categories, filters) if chosen else None
    return {"selected": selected, "query": filters.place()}


def conflict_about(label_name: str) -> Context | None:
    """Who decided last about a label of the draft, and how."""
    changes = LabelChange.objects.filter(entry__merge_map__state=MergeMap.State.DRAFT, entry__label__name=label_name)
    change = changes.select_related("operation__actor").order_by("-id").first()
    if change is None:
        return None
    categories = {row.code: row for row in Category.objects.all()}
    category = category_of(change.after["target"], categories)
    return {"actor": actor_of(change.operation), "label": label_name, "category": category}


def _told(step: LabelOperation, categories: Mapping[str, Category]) -> Context:
    category = category_of(step.payload.get("target", ""), categories)
    return {"actor": actor_of(step), "label": about(step), "category": category}


def _steps(merge_map: MergeMap | None) -> list[LabelOperation]:
    rows = LabelOperation.objects.filter(merge_map=merge_map).select_related("actor").prefetch_related("changes__entry")
    return list(rows.order_by("-id")[:RECENT])


def _clusters(
    listed: Sequence[LabelState], categories: Mapping[str, Category], user: User, steps: Sequence[LabelOperation]
) -> list[Context]:
    """One label a cluster: people decide label by label."""
    # Oldest first, so that the newest step about a label stays.
    changed_by = {
        change.entry.label_id: actor_of(step) if step.actor_id != user.pk else ""
        for step in reversed(steps)
        for change in step.changes.all()
    }
    rows = [
        Row(
            id=state.id,
            revision=state.revision,
            name=state.name,
            lang=state.lang,
            prompts=state.prompts,
            category=category_of(state.target, categories),
            suggestion=suggestion_of(state, categories),
            confidence=state.confidence,
            evidence=marks(state),
            differs=state.differs,
            changed_by=changed_by.get(state.id, ""),
        )
        for state in listed
    ]
    return [{"name": row.name, "prompts": row.prompts, "labels": [row]} for row in rows]


def _selected(
    state: MergeState, listed: Sequence[LabelState], filters: LabelFilter, categories: Mapping[str, Category]
) -> object:
    """The label asked for, whether the list holds it or not; else the first of the list."""
    wanted = filters.kept["label"]
    chosen = next((one for one in state.labels if one.id == wanted), listed[0] if listed else None)
    return selected_context(chosen, state.use, categories, filters) if chosen else None


def _tabs(state: MergeState, filters: LabelFilter) -> list[Context]:
    counts = {
        "undecided": sum(one.undecided for one in state.labels),
        "decided": sum(not one.undecided for one in state.labels),
        "differs": sum(one.differs for one in state.labels),
        "all": len(state.labels),
    }
    return [
        {"name": name, "count": counts[view], "query": f"view={view}", "current": filters.view_name == view}
        for view, name in VIEWS.items()
    ]


def _progress(state: MergeState) -> Context:
    """In prompts: one is decided when all its labels are."""
    total = state.use.prompts
    done = state.use.prompts_within([one.id for one in state.labels if not one.undecided])
    return {
        "progress": {
            "percent": 100 * done / total if total else 0.0,
            "prompts_done": done,
            "prompts_total": total,
            "prompts_left": total - done,
            "labels_left": sum(one.undecided for one in state.labels),
        }
    }


def _by_category(state: MergeState, categories: Mapping[str, Category]) -> Context:
    target_of = {one.id: one.target for one in state.labels if one.target}
    prompts = state.use.prompts_by(target_of)
    labels = list(target_of.values())
    return {
        "categories": [
            {
                "code": code,
                "name": row.name,
                "action": f"merge-category-{place}",
                "title": f"{code} {row.name}",
                "definition": row.definition,
                "labels": labels.count(code),
                "prompts": prompts[code],
            }
            for place, (code, row) in enumerate(categories.items(), 1)
        ],
        "dropped": {"labels": labels.count(DROP), "prompts": prompts[DROP]},
    }


def _map(state: MergeState, user: User) -> Context:
    """The draft, or the one that the first decision will open; and what this person may do with it."""
    shown = state.merge_map
    draft = shown if shown and shown.state == MergeMap.State.DRAFT else None
    parent = draft.parent if draft else shown
    waiting = merge_waiting() is not None
    may_publish = draft is not None and can(user, "publish")
    return {
        "map": {
            "id": draft.pk if draft else 0,
            "version": draft.version if draft else (parent.version + 1 if parent else 1),
            "parent": parent.version if parent else None,
            "changes": _changes(draft) if draft else 0,
            "has_labels": bool(state.labels),
        },
        "can_publish": may_publish and not waiting,
        "can_finish": may_publish and waiting,
        **_can_step(user, draft),
    }


def _changes(draft: MergeMap) -> int:
    """Number of labels about which the draft says something else than its parent."""
    before = targets(draft.parent) if draft.parent else {}
    now = targets(draft)
    return sum(entry[0] != before.get(pk, ("",))[0] for pk, entry in now.items())


def _can_step(user: User, draft: MergeMap | None) -> Context:
    """Whether this person has a step to undo or to redo (annotation.services.label_undo, label_redo)."""
    if draft is None or not can(user, "merge"):
        return {"can_undo": False, "can_redo": False}
    own = draft.operations.filter(actor=user).order_by("-id")
    standing = own.filter(undone_by=None)
    undo = standing.filter(kind=Kind.UNDO).first()
    redo = undo is not None and not own.filter(kind=Kind.DO, pk__gt=undo.pk).exists()
    return {"can_undo": standing.exclude(kind=Kind.UNDO).exists(), "can_redo": redo}
