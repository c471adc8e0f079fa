"""What the merge page shows, whole or in parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.db.models import Max
from django.http import Http404

from annotation import forms
from annotation.forms import LabelFilter, RestForm
from annotation.merge.operations import given_back
from annotation.merge.telling import step_text
from annotation.models import Category, Corpus, Guideline, LabelOperation, MapEntry, MergeMap
from annotation.pages.label_detail import actor_of, selected_context
from annotation.pages.label_search import NOBODY, RULE
from annotation.pages.labels import LabelState
from annotation.pages.merge_conflicts import Given, answer_kept, given, with_given
from annotation.pages.merge_counts import counts_context
from annotation.pages.merge_items import Item, evidence_key, proposed, single
from annotation.pages.merge_state import MergeState, merge_state
from annotation.selectors import categories_of, merge_waiting
from madsafe_web.core.access import can
from madsafe_web.core.models import User

if TYPE_CHECKING:
    from annotation.label_counts import LabelUse
    from annotation.merge.proposals import Proposal

MOST_SENT = 500
FIRST_SENT = 60  # lines that come with the page; the rest follows when they stand
HISTORY = 6
Kind = LabelOperation.Kind
Context = dict[str, Any]  # Any: a template's context


def merge_context(user: User, filters: LabelFilter, conflict: Context | None = None) -> Context:
    """The whole page for one person."""
    state = merge_state(user)
    known = categories_of(state.merge_map)
    found = state.proposals()
    items = items_listed(state, filters, known, found)
    selected = _selected(state, items, filters)
    answers = given(user, known) if filters.view_name == "conflicts" or _crossed(selected) else {}
    return {
        "conflict": conflict,
        "filters": filters,
        "query": filters.place(),
        "facets": _facets(filters, state.merge_map, known),
        "evidence_key": evidence_key(),
        "guides": _guides(known),
        "selected": selected_context(selected, state.use, known, filters, found) if selected else None,
        "given": answers.get(selected.id, ()) if selected else (),
        "kept": answer_kept(user, selected, known),
        "open": next((item.id for item in items if selected and len(item.rows) > 1 and _holds(item, selected)), None),
        **_lines(items[:MOST_SENT], _first(items, selected, filters), answers, state.use),
        "shown": min(len(items), MOST_SENT),
        "total": len(items),
        **history_context(user, state.merge_map),
        **counts_context(state, filters),
        **_map(state, user),
    }


def rest_context(user: User, filters: RestForm) -> Context:
    """The lines that follow those which came with the page: all that the list holds beside them."""
    state = merge_state(user)
    known = categories_of(state.merge_map)
    found = state.proposals() if filters.view_name == "proposals" else ()
    listed = items_listed(state, filters, known, found)[:MOST_SENT]
    items = [item for item in listed if item.id not in filters.shown_ids]
    answers = given(user, known) if filters.view_name == "conflicts" else {}
    return {
        "can_merge": can(user, "merge"),
        "filters": filters,
        "query": filters.place(),
        **_lines(items, len(items), answers, state.use),
    }


def _first(items: Sequence[Item], selected: LabelState | None, filters: LabelFilter) -> int:
    """Number of lines that come with the page: all if that is wanted, or if the selected one is not among the first."""
    later = selected and any(_holds(item, selected) for item in items[FIRST_SENT:MOST_SENT])
    return MOST_SENT if later or filters.kept["whole"] else FIRST_SENT


def _lines(items: Sequence[Item], number: int, answers: Mapping[int, tuple[Given, ...]], use: LabelUse) -> Context:
    """The first lines. `later`: whether others follow; `shown_ids` tells the request for them what is there."""
    first = _counted(items[:number], use)
    return {
        "items": with_given(first, answers) if answers else first,
        "later": len(items) > number,
        "shown_ids": ",".join(str(item.id) for item in first),
    }


def _counted(items: Sequence[Item], use: LabelUse) -> list[Item]:
    """The lines with the number of prompts that carry any of their labels, each prompt once."""
    group_of = {row.id: str(item.id) for item in items if len(item.rows) > 1 for row in item.rows}
    carried = use.prompts_by(group_of) if group_of else {}
    return [replace(item, prompts=carried.get(str(item.id), 0)) if item.rows[1:] else item for item in items]


def items_listed(
    state: MergeState, filters: LabelFilter, known: Mapping[str, Category], found: Sequence[Proposal]
) -> list[Item]:
    """The lines of the list: proposals all of whose labels it may hold, or labels one by one."""
    listed = state.listed(filters)
    if filters.view_name != "proposals":
        items = [single(one, known) for one in listed]
    else:
        states = {one.id: one for one in state.labels}
        wanted = {one.id for one in listed}
        held = [one for one in found if wanted.intersection(one.labels) and states.keys() >= set(one.labels)]
        items = [proposed(one, states, known) for one in held]
    letter = filters.text("evidence")
    return [item for item in items if not letter or letter in {mark.letter for mark in item.evidence}]


def pane_context(user: User, label_id: int, filters: LabelFilter) -> Context:
    """Only the side with one label; `selected` is None for a label that is not one to merge."""
    state = merge_state()
    known = categories_of(state.merge_map)
    chosen = next((one for one in state.labels if one.id == label_id), None)
    found = state.proposals()
    selected = selected_context(chosen, state.use, known, filters, found) if chosen else None
    return {
        "selected": selected,
        "given": given(user, known).get(label_id, ()) if _crossed(chosen) else (),
        "kept": answer_kept(user, chosen, known),
        "may_settle": can(user, "adjudicate"),
        "query": filters.place(),
    }


def members_context(label_id: int, filters: LabelFilter) -> Context:
    """The labels of the proposal that a label stands in; without one the label alone. Raises Http404."""
    state = merge_state()
    known = categories_of(state.merge_map)
    states = {one.id: one for one in state.labels}
    if label_id not in states:
        raise Http404
    held = (one for one in state.proposals() if label_id in one.labels)
    items = [proposed(one, states, known) for one in held] or [single(states[label_id], known)]
    return {"item": items[0], "query": filters.place()}


def counts_only(user: User, filters: LabelFilter) -> Context:
    """Only the numbers, for the fragment that follows a decision."""
    return counts_context(merge_state(user), filters)


def history_context(user: User, merge_map: MergeMap | None) -> Context:
    """The last steps, and whether this person has one to undo or to redo."""
    steps = LabelOperation.objects.filter(merge_map=merge_map).select_related("actor").order_by("-id")[:HISTORY]
    told = [{"actor": actor_of(step), "text": step_text(step)} for step in steps]
    return {"history": told, **_can_step(user, merge_map)}


def _crossed(state: LabelState | None) -> bool:
    """Whether two people disagree about a label."""
    return state is not None and state.second == MapEntry.Second.CONFLICT


def _holds(item: Item, state: LabelState) -> bool:
    return any(row.id == state.id for row in item.rows)


def _guides(known: Mapping[str, Category]) -> list[Context]:
    """Each category with its newest guideline, to stand beside the work."""
    rows = Guideline.objects.filter(category__in=[row.pk for row in known.values()]).order_by("version")
    texts = {one.category_id: one for one in rows}
    return [{"category": row, "text": texts.get(row.pk)} for row in known.values()]


def _selected(state: MergeState, items: Sequence[Item], filters: LabelFilter) -> LabelState | None:
    """The label asked for, whether the list holds it or not; else the first of the list."""
    wanted = filters.kept["label"]
    first = items[0].id if items else None
    ids = {one.id: one for one in state.labels}
    return ids.get(wanted) or ids.get(first or 0)


def _facets(filters: LabelFilter, merge_map: MergeMap | None, known: Mapping[str, Category]) -> list[Context]:
    """What the list can be narrowed by: name, text, and the choices of each."""
    corpora = Corpus.objects.filter(withdrawn=None).order_by("name").values_list("id", "name")
    people = LabelOperation.objects.filter(merge_map=merge_map, actor__isnull=False).order_by("actor__username")
    versions = MergeMap.objects.filter(state=MergeMap.State.PUBLISHED).order_by("-version")
    names = people.values_list("actor__username", flat=True).distinct()
    by = [(RULE, forms.RULE_TEXT), (NOBODY, forms.NOBODY_TEXT), *((name, name) for name in names)]
    choices: dict[str, Iterable[tuple[object, object]]] = {
        "state": forms.VIEWS.items() if filters.view_name == "flat" else (),
        "category": [(code, f"{code} {row.name}") for code, row in known.items()],
        "corpus": corpora,
        "lang": forms.LANGUAGES.items(),
        "size": forms.SIZES.items(),
        "sure": forms.SURE.items(),
        "evidence": [(letter, f"{letter} {text}") for letter, text in forms.EVIDENCE.items()],
        "who": by,
        "since": [(version, f"v{version}") for version in versions.values_list("version", flat=True)],
    }
    return [
        {
            "name": name,
            "text": forms.FACET_NAMES[name],
            "choices": [
                {"value": value, "text": text, "chosen": str(value) == filters.text(name)} for value, text in listed
            ],
        }
        for name, listed in choices.items()
        if name != "state" or filters.view_name == "flat"
    ]


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
            "has_labels": bool(state.labels),
        },
        "can_merge": can(user, "merge"),
        "may_settle": can(user, "adjudicate"),
        "can_publish": may_publish and not waiting,
        "can_finish": may_publish and waiting,
    }


def _can_step(user: User, merge_map: MergeMap | None) -> Context:
    """Whether `step_undo` and `step_redo` would find something of this person."""
    if merge_map is None or not can(user, "merge"):
        return {"can_undo": False, "can_redo": False}
    own = merge_map.operations.filter(actor=user, within=None)
    newest = dict(own.filter(undone_by=None).order_by().values_list("kind").annotate(newest=Max("id")))
    undo = bool(newest.keys() - {Kind.UNDO}) or bool(given_back(merge_map, user))
    redo = Kind.UNDO in newest and not own.filter(kind=Kind.DO, pk__gt=newest[Kind.UNDO]).exists()
    return {"can_undo": undo, "can_redo": redo}
