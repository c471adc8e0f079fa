"""The explorer of prompts: one page of what fits a filter, its chips, its pager, as of which moment it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from annotation.catalogue import held, stored
from annotation.catalogue.wanted import NUMBERS, SCORES, Wanted
from annotation.models import MergeMap, Prompt
from annotation.pages.facets import TITLES, Named, facets_shown, names_chosen, opening, scores_counted
from annotation.pages.prompts import Context, prompts_shown
from annotation.prompt_filter import SORTS, PromptFilter, number_text
from annotation.selectors import map_newest_published, maps_published
from madsafe_web.core.access import can, scoped
from madsafe_web.core.models import User
from madsafe_web.core.paging import PAGE_ROWS

COLUMNS = ("text", "language", "state", "corpus__name")  # of a row of the list


@dataclass(frozen=True, slots=True)
class Pages:
    """Place of a page among all of them; query strings of the neighbours, "" = there is none."""

    number: int
    count: int
    total: int
    first: int
    last: int
    previous: str
    next: str
    fields: list[tuple[str, str]]  # what a form that asks for another page sends with it


@dataclass(frozen=True, slots=True)
class Chip:
    """One condition of the filter and the query string without it."""

    text: str
    without: str


@dataclass(frozen=True, slots=True)
class View:
    """One page of what fits: the rows in their order, and where it stands."""

    rows: list[Prompt]
    pages: Pages
    all: int  # prompts there are
    made: datetime | None  # None: of this moment, counted in the database
    newer: int  # prompts that came since


def map_asked(filters: PromptFilter) -> MergeMap | None:
    """The published map of the version that the filter names, else the newest one."""
    version = filters.kept["map"]
    named = maps_published().filter(version=version).first() if version else None
    return named or map_newest_published()


def view_of(user: User, filters: PromptFilter, merge_map: MergeMap | None) -> View:
    """The page that the filter asks for. Rows come from the database, so what they say is of this moment."""
    wanted = filters.wanted(merge_map.pk if merge_map else None)
    try:
        catalogue = held.current()
    except held.NotReady:
        return _view_stored(user, filters, wanted)
    from annotation.catalogue import asking

    found = asking.chosen_ids(catalogue, wanted)
    pages = pages_of(filters, len(found))
    ids = [int(pk) for pk in found[pages.first - 1 : pages.last]] if pages.last else []
    newer = held.newer_rows(catalogue)
    return View(_rows(user, ids), pages, len(catalogue.ids), catalogue.made, newer)


def _view_stored(user: User, filters: PromptFilter, wanted: Wanted) -> View:
    found = stored.fitting(scoped(user, Prompt), wanted)
    pages = pages_of(filters, found.count())
    ordered = stored.ordered(found, wanted.sort).values_list("id", flat=True)
    ids = list(ordered[pages.first - 1 : pages.last]) if pages.last else []
    return View(_rows(user, ids), pages, scoped(user, Prompt).count(), None, 0)


def _rows(user: User, ids: list[int]) -> list[Prompt]:
    """The rows of a page in this order, without those that are gone."""
    rows = scoped(user, Prompt).select_related("corpus").only(*COLUMNS).in_bulk(ids)
    return [rows[pk] for pk in ids if pk in rows]


def pages_of(filters: PromptFilter, total: int) -> Pages:
    count = max(1, -(-total // PAGE_ROWS))
    number = min(filters.kept["page"] or 1, count)
    return Pages(
        number=number,
        count=count,
        total=total,
        first=(number - 1) * PAGE_ROWS + 1 if total else 0,
        last=min(number * PAGE_ROWS, total),
        previous=filters.address(page=number - 1) if number > 1 else "",
        next=filters.address(page=number + 1) if number < count else "",
        fields=filters.pairs(page=None),
    )


def explorer_context(user: User, filters: PromptFilter) -> Context:
    """The page of the explorer."""
    merge_map = map_asked(filters)
    view, names = view_of(user, filters, merge_map), names_chosen(filters, merge_map)
    address = filters.address(page=view.pages.number if view.pages.number > 1 else None)
    return {
        "prompts": prompts_shown(view.rows, merge_map),
        "pager": view.pages,
        "view": view,
        "address": address,
        "filters": {name: filters.text(name) for name in ("q", "within", "sort", "label_q", *ranges())},
        "narrowed": filters.narrowed,
        "chips": chips(filters, names),
        "within": filters.address(within="responses") if filters.text("q") and not filters.text("within") else "",
        "facets": facets_shown(filters, merge_map, names),
        "scores": scores_counted(filters, merge_map) if SCORES in (filters.kept["open"] or ()) else None,
        "scores_at": opening(address, SCORES),
        "sorts": [{"value": value, "label": label} for value, label in SORTS.items()],
        "maps": list(maps_published().values_list("version", flat=True)),
        "map": merge_map.version if merge_map else None,
        "can_export": can(user, "export"),
    }


def ranges() -> list[str]:
    """The fields of the score ranges."""
    return [f"{name}_{end}" for name in NUMBERS for end in ("min", "max")]


def chips(filters: PromptFilter, names: Mapping[str, Mapping[str, Named]]) -> list[Chip]:
    """Every condition of the filter, each with the way to take it away alone."""
    found = []
    if filters.text("q"):
        found.append(Chip(f"“{filters.text('q')}”", filters.address(q="", within="")))
    if filters.text("within"):
        found.append(Chip(str(TITLES["within"]), filters.address(within="")))
    for name, values in names.items():
        for value, named in values.items():
            rest = tuple(one for one in values if one != value)
            found.append(Chip(f"{TITLES[name]}: {named.text}", filters.address(**{name: rest})))
    return [*found, *_range_chips(filters)]


def _range_chips(filters: PromptFilter) -> list[Chip]:
    signs = {"min": "≥", "max": "≤"}
    found = [(name, sign, f"{name}_{end}") for name in NUMBERS for end, sign in signs.items()]
    return [
        Chip(f"{TITLES[name]} {sign} {number_text(filters.kept[field])}", filters.address(**{field: None}))
        for name, sign, field in found
        if filters.kept[field] is not None
    ]
