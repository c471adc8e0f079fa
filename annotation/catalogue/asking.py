"""Answers of a catalogue: which prompts fit, how many there are of each value of a facet, one page in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from django.db.models import Value
from django.db.models.functions import StrIndex

from annotation.catalogue.index import Catalogue, Coded, Ints
from annotation.catalogue.texts import Mask
from annotation.catalogue.wanted import FACETS, NONE, PLAIN, Wanted
from annotation.labelling import links_read, runs_unread
from annotation.models import Corpus, MapEntry, MergeMap, Response
from annotation.selectors import categories_of


def fitting(catalogue: Catalogue, wanted: Wanted, without: str = "") -> Mask:
    """Which prompts fit; `without` leaves one facet's own filter out, as the counts beside its values want it."""
    mask = np.ones(len(catalogue.ids), np.bool_)
    for one in _masks(catalogue, wanted, without):
        mask &= one
    return mask


def _masks(catalogue: Catalogue, wanted: Wanted, without: str) -> Iterator[Mask]:
    if wanted.text:
        yield _holding(catalogue, wanted)
    for name in FACETS:
        values = wanted.chosen.get(name)
        if values and name != without:
            yield _with_values(catalogue, wanted, name, values)
    for name, (least, most) in wanted.ranges.items():
        if name != without and (least is not None or most is not None):
            column = catalogue.numbers[name]  # a comparison with NaN is False: what has no score fits no range
            yield (column >= _or(least, -np.inf)) & (column <= _or(most, np.inf))


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _holding(catalogue: Catalogue, wanted: Wanted) -> Mask:
    key = (wanted.typed if wanted.within else wanted.text, wanted.within)
    if key in catalogue.searches:
        return catalogue.searches[key]
    mask = catalogue.texts.holding(wanted.text)
    if wanted.within:
        # Not LIKE: on SQLite it takes ASCII letters of either case for the same, on PostgreSQL it does not.
        held = Response.objects.alias(found_at=StrIndex("text", Value(wanted.typed)))
        responses = held.filter(found_at__gt=0, id__lte=catalogue.version.response)
        ids = np.fromiter(responses.order_by().values_list("prompt_id", flat=True).iterator(10_000), np.int64)
        mask[catalogue.rows_of(ids)] = True
    return catalogue.keep(key, mask)


def _with_values(catalogue: Catalogue, wanted: Wanted, name: str, values: tuple[str, ...]) -> Mask:
    if name == "category":
        bits = category_bits(catalogue, wanted.merge_map)
        named = [code for code in values if code != NONE]
        mask: Mask = (bits & np.uint32(sum(1 << at for at in _positions(wanted.merge_map, named)))) != 0
        return mask | (bits == 0) if NONE in values else mask
    if name == "label":
        chosen = np.isin(catalogue.labels, np.array([int(value) for value in values], np.int64))
        mask = np.zeros(len(catalogue.ids), np.bool_)
        mask[catalogue.link_rows[chosen[catalogue.link_labels]]] = True
        return mask
    coded = catalogue.coded[name]
    picked = np.isin(np.array(coded.values, np.str_), values)
    return picked[coded.codes] if len(picked) else np.zeros(len(catalogue.ids), np.bool_)


def _positions(merge_map: int | None, codes: list[str]) -> list[int]:
    """The places of these codes in the taxonomy of the map; one that it does not have has none."""
    known = categories_of(merge_map) if codes else {}
    return [known[code].position for code in codes if code in known]


def category_bits(catalogue: Catalogue, merge_map: int | None) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """For each prompt the categories of its labels by a published map: bit n for the category at position n."""
    if merge_map not in catalogue.categories:
        entries = MapEntry.objects.filter(merge_map=merge_map, category__isnull=False)
        bit_of = np.zeros(len(catalogue.labels), np.uint32)
        for label, position in entries.values_list("label", "category__position"):
            at = int(np.searchsorted(catalogue.labels, label))
            if at < len(catalogue.labels) and catalogue.labels[at] == label:
                bit_of[at] = 1 << position
        bits = np.zeros(len(catalogue.ids), np.uint32)
        link_rows, link_labels = _links_read(catalogue, merge_map)
        if len(link_rows):
            rows, first = np.unique(link_rows, return_index=True)
            bits[rows] = np.bitwise_or.reduceat(bit_of[link_labels], first)
        catalogue.categories[merge_map] = bits
    return catalogue.categories[merge_map]


def _links_read(catalogue: Catalogue, merge_map: int | None) -> tuple[Ints, Ints]:
    """Rows and labels of the links that a map reads, by row: of the catalogue where no labelling run is left out."""
    found = MergeMap.objects.get(pk=merge_map) if merge_map else None
    if not runs_unread(found):
        return catalogue.link_rows, catalogue.link_labels
    links = links_read(found).filter(id__lte=catalogue.version.link).order_by("prompt")
    pairs = np.array(list(links.values_list("prompt", "label").iterator(10_000)), np.int64).reshape(-1, 2)
    pairs = pairs[np.isin(pairs[:, 0], catalogue.ids) & np.isin(pairs[:, 1], catalogue.labels)]
    return catalogue.rows_of(pairs[:, 0]), np.searchsorted(catalogue.labels, pairs[:, 1])


def counts(catalogue: Catalogue, wanted: Wanted, facet: str) -> dict[str, int]:
    """Value → number of prompts that fit all other filters and have it. Values that none has are left out."""
    mask = fitting(catalogue, wanted, without=facet)
    if facet in PLAIN:
        return _of_column(catalogue.coded[facet], mask)
    if facet == "label":
        held = np.bincount(catalogue.link_labels[mask[catalogue.link_rows]], minlength=len(catalogue.labels))
        return {str(catalogue.labels[at]): int(held[at]) for at in np.flatnonzero(held)}
    # Few different sets of categories occur, so they are counted as they are and taken apart afterwards.
    kinds, numbers = np.unique(category_bits(catalogue, wanted.merge_map)[mask], return_counts=True)
    found = {}
    for code, one in categories_of(wanted.merge_map).items():
        found[code] = int(numbers[(kinds >> np.uint32(one.position)) & 1 == 1].sum())
    found[NONE] = int(numbers[kinds == 0].sum())
    return {value: n for value, n in found.items() if n}


def _of_column(coded: Coded, mask: Mask) -> dict[str, int]:
    held = np.bincount(coded.codes[mask], minlength=len(coded.values))
    return {value: int(n) for value, n in zip(coded.values, held, strict=True) if n}


def scored(catalogue: Catalogue, wanted: Wanted, name: str) -> tuple[int, float, float]:
    """How many prompts that fit the other filters have this number, the smallest and the largest (0 for none)."""
    values = catalogue.numbers[name][fitting(catalogue, wanted, without=name)]
    values = values[~np.isnan(values)]
    return (len(values), float(values.min()), float(values.max())) if len(values) else (0, 0.0, 0.0)


def ordered(catalogue: Catalogue, sort: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """All rows in this order: a name of a number or `id`, from the largest with a minus. Those without come last."""
    if sort not in catalogue.orders:
        name, down = sort.removeprefix("-"), sort.startswith("-")
        newest = np.arange(len(catalogue.ids), dtype=np.int32)[::-1]
        if name == "id":
            order = newest if down else newest[::-1]
        else:
            column = catalogue.numbers[name][newest]
            order = newest[np.argsort(-column if down else column, kind="stable")]
        catalogue.orders[sort] = np.ascontiguousarray(order)
    return catalogue.orders[sort]


def chosen_ids(catalogue: Catalogue, wanted: Wanted) -> Ints:
    """Ids of all prompts that fit, in the order that is wanted."""
    order = ordered(catalogue, wanted.sort)
    return catalogue.ids[order[fitting(catalogue, wanted)[order]]]


def derived(catalogue: Catalogue, corpora: set[int]) -> Mask:
    """Which prompts are of these corpora, or were generated from one that is, at whatever remove."""
    coded = catalogue.coded["corpus"]
    mask: Mask = np.isin(np.array(coded.values, np.str_), [str(pk) for pk in corpora])[coded.codes]
    rows, known = _parent_places(catalogue)
    while True:
        more = rows[mask[known] & ~mask[rows]]
        if not len(more):
            return mask
        mask[more] = True


def _parent_places(catalogue: Catalogue) -> tuple[Ints, Ints]:
    """Row of a generated prompt and row of its parent, for the parents that are there."""
    places = np.minimum(np.searchsorted(catalogue.ids, catalogue.parent_ids), max(len(catalogue.ids) - 1, 0))
    if not len(places):
        return places, places
    there = catalogue.ids[places] == catalogue.parent_ids
    return catalogue.parent_rows[there], places[there]


def barred(catalogue: Catalogue) -> Mask:
    """Which prompts must not be exported: they derive from a corpus that is not for export."""
    return derived(catalogue, set(Corpus.objects.filter(exportable=False).values_list("id", flat=True)))


def unbarred(catalogue: Catalogue, ids: Iterable[int]) -> set[int]:
    """Those of these prompts that derive from no corpus that is not for export; none that is not in the catalogue."""
    rows = catalogue.rows_of(np.fromiter(ids, np.int64))
    return set(catalogue.ids[rows[~barred(catalogue)[rows]]].tolist())


def of_state(catalogue: Catalogue, state: str) -> Mask:
    """Which prompts are in this state."""
    coded = catalogue.coded["state"]
    mask: Mask = np.isin(np.array(coded.values, np.str_), [state])[coded.codes] if coded.values else _none(catalogue)
    return mask


def _none(catalogue: Catalogue) -> Mask:
    return np.zeros(len(catalogue.ids), np.bool_)


def values_of(catalogue: Catalogue, name: str, rows: Ints, called: Sequence[str] = ()) -> list[str]:
    """The value of a plain facet of each of these rows; `called` names its values in their order."""
    coded = catalogue.coded[name]
    names = called or coded.values
    return [names[code] for code in coded.codes[rows].tolist()]


def labels_of(catalogue: Catalogue, rows: Ints, names: Sequence[str]) -> list[list[str]]:
    """The labels of each of these rows, called by `names`, which stand in the order of `labels`."""
    first = np.searchsorted(catalogue.link_rows, rows, "left")
    sizes = np.searchsorted(catalogue.link_rows, rows, "right") - first
    ends = np.cumsum(sizes)
    places = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(first - (ends - sizes), sizes)
    labels = [names[at] for at in catalogue.link_labels[places].tolist()]
    return [labels[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)]


def numbers_of(catalogue: Catalogue, name: str, rows: Ints) -> list[float | None]:
    """One score of each of these rows as people see it: perplexity itself, not its logarithm."""
    values = catalogue.numbers[name][rows]
    if name == "perplexity":
        values = np.exp(np.where(values < 500, values, np.nan))
    return [None if value != value else value for value in values.tolist()]
