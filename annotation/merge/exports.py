"""A version of the merge map as a file: CSV for a spreadsheet, JSON with everything about the version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db.models import QuerySet

from annotation.merge.states import DROP
from annotation.models import LabelChange, MapEntry, MergeMap
from madsafe_web.core.audit import audit
from madsafe_web.core.models import User
from madsafe_web.core.textio import csv_line

KINDS = ("csv", "json")
ENTRY = ("label", "key", "category", "theme", "confidence", "by", "who", "when")  # what a file says about a label
VERSION = ("version", "sha256", "taxonomy", "runs")  # and in CSV, in each row, about the map
READ_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Last:
    """The newest decision about a label: who made it (None: a rule), when, and how sure its suggestion was."""

    who: str | None
    when: datetime
    confidence: float | None


def map_export(*, user: User | None, merge_map: MergeMap, kind: str) -> Iterator[bytes]:
    """The map in pieces, by label key; the export is an event before its first piece. `kind` is csv or json."""
    facts = {"sha256": merge_map.sha256, "format": kind, "labels": merge_map.entries.count()}
    audit(user, "map.export", f"map {merge_map}", **facts)
    return _csv(merge_map) if kind == "csv" else _json(merge_map)


def entries_told(entries: QuerySet[MapEntry], last: Mapping[int, Last]) -> Iterator[dict[str, Any]]:
    """What a map says about each label: the values of ENTRY."""
    columns = ("label", "label__name", "label__key", "category__code", "dropped", "theme", "decided_by")
    for pk, name, key, code, dropped, theme, by in entries.values_list(*columns).iterator(READ_AT_ONCE):
        made = last.get(pk) if by else None
        told = (name, key, DROP if dropped else code or "", theme, made and made.confidence, by, made and made.who)
        yield dict(zip(ENTRY, (*told, made and made.when.isoformat(timespec="seconds")), strict=True))


def last_decisions(merge_map: MergeMap) -> dict[int, Last]:
    """Label id → its newest decision in the map or in one that it was copied from."""
    parents = dict(MergeMap.objects.values_list("id", "parent"))
    line: list[int | None] = [merge_map.pk]
    while line[-1] is not None:
        line.append(parents[line[-1]])
    changes = LabelChange.objects.filter(entry__merge_map__in=line[:-1]).order_by("id")
    columns = ("entry__label", "operation__actor__username", "operation__created", "confidence", "before", "after")
    found = {}
    for label, who, when, confidence, before, after in changes.values_list(*columns).iterator(READ_AT_ONCE):
        if (before["target"], before["by"]) != (after["target"], after["by"]):
            found[label] = Last(who, when, confidence)
    return found


def version_told(merge_map: MergeMap) -> dict[str, Any]:
    """What a file says about the map itself."""
    return {
        "version": merge_map.version,
        "parent": merge_map.parent.version if merge_map.parent else None,
        "state": merge_map.state,
        "sha256": merge_map.sha256,
        "taxonomy": merge_map.taxonomy.version,
        "runs": merge_map.runs,
        "author": merge_map.author.username if merge_map.author else None,
        "note": merge_map.note,
        "published": merge_map.published.isoformat(timespec="seconds") if merge_map.published else None,
    }


def _entries(merge_map: MergeMap) -> Iterator[dict[str, Any]]:
    return entries_told(merge_map.entries.order_by("label__key"), last_decisions(merge_map))


def _csv(merge_map: MergeMap) -> Iterator[bytes]:
    told = version_told(merge_map)
    about = (told["version"], told["sha256"], told["taxonomy"], " ".join(map(str, told["runs"])))
    yield csv_line((*ENTRY, *VERSION)).encode()
    for entry in _entries(merge_map):
        yield csv_line((*entry.values(), *about)).encode()


def _json(merge_map: MergeMap) -> Iterator[bytes]:
    yield orjson.dumps(version_told(merge_map))[:-1] + b',"entries":[\n'
    between = b""
    for entry in _entries(merge_map):
        yield between + orjson.dumps(entry)
        between = b",\n"
    yield b"\n]}\n"
