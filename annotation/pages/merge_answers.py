"""What comes back for a step on the merge page: only the lines that it changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from annotation.forms import LabelFilter
from annotation.label_use import label_use
from annotation.labelling import runs_read
from annotation.merge.states import StaleDecision
from annotation.models import Category, LabelChange, LabelOperation
from annotation.pages.label_detail import actor_of
from annotation.pages.labels import Entry, LabelState, category_of, label_states, map_shown, targets
from annotation.pages.merge import Context, history_context
from annotation.pages.merge_conflicts import given, with_given
from annotation.pages.merge_items import Item, single, together
from annotation.selectors import categories_of
from madsafe_web.core.models import User

if TYPE_CHECKING:
    from annotation.label_counts import LabelUse


@dataclass(frozen=True, slots=True)
class Touched:
    """The labels of a step as a form named them: `item` is the line, `rest` what stands in it beside them."""

    labels: Sequence[int]
    rest: Sequence[int] = ()
    item: int | None = None

    @property
    def place(self) -> int:
        return self.item or self.labels[0]


@dataclass(slots=True)
class Lines:
    """Lines of the list: `swapped` in place of the line with this id, `added` above all, `gone` for good."""

    swapped: dict[int, list[Item]] = field(default_factory=dict)
    added: list[Item] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


def answer_context(user: User, filters: LabelFilter, lines: Lines, conflict: Context | None = None) -> Context:
    """For the fragment: the lines that changed, the history, and a decision that was crossed."""
    answers = given(user, categories_of(map_shown())) if filters.view_name == "conflicts" else {}
    swapped = {place: with_given(items, answers) for place, items in lines.swapped.items()}
    return {
        "swapped": [{"item": items[0], "oob": f"outerHTML:#item-{place}"} for place, items in swapped.items()],
        "beside": [{"after": items[0].id, "items": items[1:]} for items in swapped.values() if items[1:]],
        "added": lines.added,
        "gone": lines.gone,
        "conflict": conflict,
        "filters": filters,
        "query": filters.place(),
        "can_merge": True,
        "answer": True,
        **history_context(user, map_shown()),
    }


def lines_after(touched: Touched, filters: LabelFilter, decided: bool, apart: bool = False) -> Lines:
    """How the list changes by a step.

    `decided`: the labels leave a list of undecided ones; `apart`: each of them stands for itself from now on.
    """
    merge_map = map_shown()
    known = categories_of(merge_map)
    use = label_use(runs_read(merge_map))
    states = {one.id: one for one in label_states(merge_map, use, {*touched.labels, *touched.rest})}
    if filters.state_name != "undecided":
        return Lines(swapped={pk: [single(states[pk], known)] for pk in touched.labels if pk in states})
    if filters.view_name == "undecided":
        stay = {} if decided else {pk: [single(states[pk], known)] for pk in touched.labels if _open(states, pk)}
        return Lines(swapped=stay, gone=[pk for pk in touched.labels if pk not in stay])
    kept = touched.rest if decided or apart else (*touched.labels, *touched.rest)
    left = [states[pk] for pk in kept if _open(states, pk)]
    items = [_joined(left, use, known, ticked=not decided)] if left else []
    if apart:
        items += [single(states[pk], known) for pk in touched.labels if _open(states, pk)]
    return Lines(swapped={touched.place: items}) if items else Lines(gone=[touched.place])


def _open(states: Mapping[int, LabelState], label: int) -> bool:
    """Whether a label is still to be decided; one that the map does not read any more is not."""
    return label in states and states[label].undecided


def _joined(states: Sequence[LabelState], use: LabelUse, known: Mapping[str, Category], ticked: bool = True) -> Item:
    """One line of several labels, with the prompts that carry any of them."""
    ordered = sorted(states, key=lambda state: (-state.prompts, state.id))
    return together(ordered, known, use.prompts_with([state.id for state in ordered]), ticked)


def lines_of_step(step: LabelOperation, filters: LabelFilter) -> Lines:
    """How the list changes by an undo or a redo."""
    ids = list(step.changes.values_list("entry__label", flat=True))
    merge_map = map_shown()
    known = categories_of(merge_map)
    use = label_use(runs_read(merge_map))
    states = label_states(merge_map, use, ids)
    if filters.state_name != "undecided":
        return Lines(swapped={one.id: [single(one, known)] for one in states})
    undecided = [one for one in states if one.undecided]
    gone = [one.id for one in states]
    if not undecided:
        return Lines(gone=gone)
    if filters.view_name == "undecided":
        return Lines(gone=gone, added=[single(one, known) for one in undecided])
    return Lines(gone=gone, added=[_joined(undecided, use, known)])


def prompts_of(labels: Collection[int]) -> int:
    """Number of prompts that carry any of these labels."""
    return label_use(runs_read(map_shown())).prompts_with(labels)


def conflict_about(error: StaleDecision, touched: Touched, wanted: str | None) -> Context | None:
    """Who decided meanwhile and how, and what sends one's own decision again on top of it.

    `wanted`: the category code, DROP or "" that was to be set; None for another step, which cannot be sent again.
    """
    merge_map = map_shown()
    changes = LabelChange.objects.filter(entry__merge_map=merge_map, entry__label__in=error.labels)
    newest = changes.select_related("operation__actor", "entry__label").order_by("-id").first()
    if newest is None:
        return None
    known = categories_of(merge_map)
    entries = targets(merge_map, touched.labels)
    return {
        "actor": actor_of(newest.operation),
        "when": newest.operation.created,
        "label": newest.entry.label.name,
        "more": len(error.labels) - 1,
        "category": category_of(newest.after["target"], known),
        "wanted": wanted,
        "mine": category_of(wanted, known) if wanted else None,
        "stale": _marks(error.labels, entries),
        "labels": _marks(touched.labels, entries),
        "item": touched.place,
    }


def _marks(labels: Collection[int], entries: Mapping[int, Entry]) -> list[dict[str, Any]]:
    return [{"id": pk, "revision": entries[pk].revision} for pk in labels if pk in entries]
