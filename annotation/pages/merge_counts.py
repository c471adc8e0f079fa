"""The numbers of the merge page: what is decided, and how much each category holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from annotation.forms import PAGES, LabelFilter
from annotation.merge.states import DROP
from annotation.models import Category, MergeMap
from annotation.pages.labels import Entry, targets
from annotation.pages.merge_state import MergeState
from annotation.selectors import categories_of
from madsafe_web.core.keys import CATEGORY_KEYS

Context = dict[str, Any]  # Any: a template's context


def counts_context(state: MergeState, filters: LabelFilter) -> Context:
    """All of them, for the page and for the fragment that follows a decision."""
    known = categories_of(state.merge_map)
    return {
        "tabs": _tabs(state, filters),
        **progress(state),
        **by_category(state, known),
        "changes": changes(state.merge_map),
    }


def _tabs(state: MergeState, filters: LabelFilter) -> list[Context]:
    counts = {
        "flat": len(state.labels),
        "undecided": sum(one.undecided and one.id not in state.answered for one in state.labels),
        "conflicts": sum(one.disputed for one in state.labels),
    }
    return [
        {"view": view, "name": name, "count": counts.get(view), "current": filters.view_name == view}
        for view, name in PAGES.items()
    ]


def progress(state: MergeState) -> Context:
    """In prompts: one is decided when all its labels are. In labels where no prompt carries any."""
    decided = [one.id for one in state.labels if not one.undecided]
    total, done = state.use.prompts, state.use.prompts_within(decided)
    part, whole = (done, total) if total else (len(decided), len(state.labels))
    return {
        "progress": {
            "percent": 100 * part / whole if whole else 0.0,
            "done": part,
            "total": whole,
            "prompts_done": done,
            "prompts_total": total,
            "prompts_left": total - done,
            "labels_left": sum(one.undecided for one in state.labels),
        }
    }


def by_category(state: MergeState, known: Mapping[str, Category]) -> Context:
    target_of = {one.id: one.target for one in state.labels if one.target}
    prompts = state.use.prompts_by(target_of)
    labels = Counter(target_of.values())
    return {
        "categories": [
            {
                "code": code,
                "name": row.name,
                "colour": row.colour,
                "action": f"merge-category-{place}" if place <= len(CATEGORY_KEYS) else "",
                "title": f"{code} {row.name}",
                "definition": row.definition,
                "labels": labels[code],
                "prompts": prompts[code],
            }
            for place, (code, row) in enumerate(known.items(), 1)
        ],
        "dropped": {"labels": labels[DROP], "prompts": prompts[DROP]},
    }


def changes(merge_map: MergeMap | None) -> Context:
    """On how many labels a draft says something else than its parent."""
    if merge_map is None or merge_map.state != MergeMap.State.DRAFT:
        return {"labels": 0}
    before = targets(merge_map.parent) if merge_map.parent else {}
    now = targets(merge_map)
    return {"labels": sum(one.target != before.get(pk, Entry()).target for pk, one in now.items())}
