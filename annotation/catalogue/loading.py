"""Reads a catalogue from the database: all of it, or only what came after an older one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.utils import timezone

from annotation.catalogue.index import Catalogue, Coded, Floats, Ints, Version
from annotation.catalogue.stored import score_model
from annotation.catalogue.texts import Texts, joined
from annotation.catalogue.wanted import NUMBERS, PLAIN
from annotation.models import Prompt, PromptIntent, Response
from annotation.text import folded

SCANNED = 10_000  # rows read at once
COLUMNS = ("corpus_id", "language", "scenario", "attack_type", "origin", "state")  # of PLAIN, without `responses`
ANSWERED = ("no", "yes")


class _Codes(dict[str, int]):
    """Value → its number, the next one for a value not seen before."""

    def __missing__(self, value: str) -> int:
        number = self[value] = len(self)
        return number


def load(version: Version, old: Catalogue | None = None) -> Catalogue:
    """The catalogue of this version. With an older one of the same `changes` only newer rows are read."""
    ids, coded, length, texts = _prompts(version, old)
    catalogue = _Rows(ids)
    parents = _parents(version, old)
    links = _pairs(PromptIntent.objects.all(), "label", old.version.link if old else 0, version.link)
    link_rows, link_labels, labels = _links(catalogue, links, old)
    parent_rows, known = catalogue.find(parents[0])
    return Catalogue(
        version=version,
        made=timezone.now(),
        ids=ids,
        coded={**coded, "responses": _answered(catalogue, version, old)},
        numbers={**_scores(catalogue, version, old), "length": length},
        texts=texts,
        link_rows=link_rows,
        link_labels=link_labels,
        labels=labels,
        parent_rows=np.concatenate((old.parent_rows, parent_rows)) if old else parent_rows,
        parent_ids=np.concatenate((old.parent_ids, parents[1][known])) if old else parents[1][known],
    )


class _Rows:
    """Finds the places of prompt ids."""

    def __init__(self, ids: Ints) -> None:
        self.ids = ids

    def find(self, ids: Ints) -> tuple[Ints, Any]:
        """Places of the ids that are there, and which of them are: a row may have gone since it was read."""
        places = np.searchsorted(self.ids, ids)
        inside = np.minimum(places, max(len(self.ids) - 1, 0))
        known = (places < len(self.ids)) & (self.ids[inside] == ids) if len(self.ids) else np.zeros(len(ids), bool)
        return places[known], known


def _batches(rows: QuerySet[Any, Any]) -> Iterator[list[tuple[Any, ...]]]:
    found = iter(rows.iterator(SCANNED))
    while batch := list(islice(found, SCANNED)):
        yield batch


def _prompts(version: Version, old: Catalogue | None) -> tuple[Ints, dict[str, Coded], Floats, Texts]:
    last = old.version.prompt if old else 0
    names = PLAIN[: len(COLUMNS)]
    codes = {
        name: _Codes((value, at) for at, value in enumerate(old.coded[name].values if old else ())) for name in names
    }
    parts: dict[str, list[Any]] = {name: [old.coded[name].codes] if old else [] for name in names}
    ids: list[Ints] = [old.ids] if old else []
    lengths: list[Floats] = [old.numbers["length"]] if old else []
    units = []
    rows = Prompt.objects.filter(id__gt=last, id__lte=version.prompt).order_by("id")
    for batch in _batches(rows.values_list("id", "folded", Length("text"), *COLUMNS)):
        pks, texts, length, *columns = zip(*batch, strict=True)
        ids.append(np.array(pks, np.int64))
        lengths.append(np.array(length, np.float64))
        units.append(joined(_folded(pks, texts)))
        for name, column in zip(names, columns, strict=True):
            known = codes[name]
            parts[name].append(np.fromiter((known[str(value)] for value in column), np.int32, len(column)))
    coded = {name: Coded(_joined(parts[name], np.int32), tuple(codes[name])) for name in names}
    texts_old = old.texts if old else Texts(np.empty(0, np.uint16))
    return _joined(ids, np.int64), coded, _joined(lengths, np.float64), texts_old.added(units) if units else texts_old


def _joined(parts: Sequence[Any], kind: Any) -> Any:
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _folded(ids: Sequence[int], texts: Sequence[str]) -> Sequence[str]:
    """The texts for search; those that were stored without one are folded now."""
    bare = [pk for pk, text in zip(ids, texts, strict=True) if not text]
    if not bare:
        return texts
    rows = Prompt.objects.filter(id__gte=bare[0], id__lte=bare[-1], folded="")
    found = {pk: folded(text) for pk, text in rows.values_list("id", "text")}
    return [text or found.get(pk, "") for pk, text in zip(ids, texts, strict=True)]


def _pairs(rows: QuerySet[Any], name: str, last: int, newest: int) -> tuple[Ints, Ints]:
    """Prompt id and another value of rows in a range of ids."""
    found = rows.filter(id__gt=last, id__lte=newest).order_by("id").values_list("prompt_id", f"{name}_id")
    parts = [np.array(batch, np.int64) for batch in _batches(found)]
    pairs = _joined(parts, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _links(rows: _Rows, pairs: tuple[Ints, Ints], old: Catalogue | None) -> tuple[Ints, Ints, Ints]:
    """Rows and labels of the links, each pair once, and the ids of the labels."""
    if old and not len(pairs[0]):
        return old.link_rows, old.link_labels, old.labels
    places, known = rows.find(pairs[0])
    label_ids = pairs[1][known]
    if old:
        places = np.concatenate((old.link_rows, places))
        label_ids = np.concatenate((old.labels[old.link_labels], label_ids))
    labels, at = np.unique(label_ids, return_inverse=True)
    single = np.unique(places * max(len(labels), 1) + at)
    return single // max(len(labels), 1), single % max(len(labels), 1), labels


def _answered(rows: _Rows, version: Version, old: Catalogue | None) -> Coded:
    """Which prompts have a response."""
    codes = np.zeros(len(rows.ids), np.int32)
    if old:
        codes[: len(old.ids)] = old.coded["responses"].codes
    found = Response.objects.filter(id__gt=old.version.response if old else 0, id__lte=version.response)
    for batch in _batches(found.order_by("id").values_list("prompt_id")):
        codes[rows.find(np.array(batch, np.int64)[:, 0])[0]] = 1
    return Coded(codes, ANSWERED)


def _scores(rows: _Rows, version: Version, old: Catalogue | None) -> dict[str, Floats]:
    """The newest score of each kind; of the responses of a prompt that of the safest (pages.prompts.Scores)."""
    found = {name: np.full(len(rows.ids), np.nan) for name in NUMBERS}
    scores = score_model()._default_manager.filter(id__lte=version.score)
    if old:
        fresh = scores.filter(id__gt=old.version.score).values("prompt")
        for name in NUMBERS:
            found[name][: len(old.ids)] = old.numbers[name]
        if version.score == old.version.score:
            return found
        scores = scores.filter(prompt__in=fresh)  # all of theirs again: a newer one may replace an older
    for kind in NUMBERS:
        _fill(found[kind], rows, scores.filter(kind=kind), kind == "response_safety")
    return found


def _fill(column: Floats, rows: _Rows, scores: QuerySet[Any], by_response: bool) -> None:
    values = scores.order_by("id").values_list("prompt_id", "response_id", "value")
    parts = [np.array(_numbers(batch), np.float64).reshape(-1, 3) for batch in _batches(values)]
    table = _joined(parts, np.float64).reshape(-1, 3)
    places, known = rows.find(table[:, 0].astype(np.int64))
    table = table[known]
    column[places] = np.nan
    if not by_response:
        column[places] = table[:, 2]  # in the order of their ids, so the newest stays
        return
    usable = ~np.isnan(table[:, 1]) & ~np.isnan(table[:, 2])
    places, table = places[usable][::-1], table[usable][::-1]
    _responses, newest = np.unique(table[:, 1], return_index=True)
    np.fmax.at(column, places[newest], table[newest, 2])


def _numbers(batch: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(np.nan if value is None else value for value in row) for row in batch]


def _parents(version: Version, old: Catalogue | None) -> tuple[Ints, Ints]:
    """Pairs of a generated prompt and one that it was generated from."""
    rows = Prompt.objects.filter(id__gt=old.version.prompt if old else 0, id__lte=version.prompt)
    made = rows.filter(origin=Prompt.Origin.GENERATED).order_by("id").values_list("id", "parents")
    pairs = [(pk, int(parent)) for pk, parents in made.iterator(SCANNED) for parent in parents]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
