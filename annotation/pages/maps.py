"""The versions of the merge map: their list, one of them with what it says, and what differs between two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from annotation.forms import DiffFilter, EntryFilter
from annotation.labelling import runs_linking
from annotation.merge.diffs import MapDiff, map_diff
from annotation.merge.states import DROP
from annotation.models import Category, MapEntry, MergeMap
from madsafe_web.core.access import can, scoped
from madsafe_web.core.llm.parse import label_key
from madsafe_web.core.method import run_name
from madsafe_web.core.models import Run, User
from madsafe_web.core.paging import newest_first

Context = dict[str, Any]  # Any: a template's context
MOST_ROWS = 200  # of a diff; the API and the command have them all
CHANGES = {
    "new": _("new label"),
    "decided": _("decided"),
    "moved": _("moved"),
    "dropped": _("no longer used"),
    "undecided": _("undecided again"),
    "theme": _("other common name"),
    "gone": _("gone"),
}


@dataclass(frozen=True, slots=True)
class MapShown:
    """A version as a row of the list."""

    version: int
    parent: int | None
    state: str
    author: str
    note: str
    sha256: str
    labels: int
    decided: int
    taxonomy: int
    runs: tuple[RunShown, ...]
    when: datetime


@dataclass(frozen=True, slots=True)
class RunShown:
    """A labelling run: its name, what labelled (an endpoint or a file), and when it ended."""

    id: int
    name: str
    source: str
    ended: datetime | None
    read: bool = True


@dataclass(frozen=True, slots=True)
class DiffRow:
    """A label that changed, as the table shows it."""

    label: int
    name: str
    kind: str
    before: Category | str | None
    after: Category | str | None
    theme_before: str
    theme_after: str
    prompts: int


def maps_shown(rows: Sequence[MergeMap]) -> list[MapShown]:
    """Rows of the list, in two queries; each must hold its parent, author and taxonomy."""
    counted = MapEntry.objects.filter(merge_map__in=[row.pk for row in rows]).order_by().values_list("merge_map")
    numbers = {pk: (n, decided) for pk, n, decided in counted.annotate(n=Count("id"), decided=_decided())}
    runs = {run.pk: run for run in Run.objects.filter(pk__in={pk for row in rows for pk in row.runs})}
    return [_map_shown(row, *numbers.get(row.pk, (0, 0)), runs) for row in rows]


def _decided() -> Count:
    return Count("id", filter=~Q(decided_by=""))


def _map_shown(row: MergeMap, labels: int, decided: int, runs: Mapping[int, Run]) -> MapShown:
    return MapShown(
        version=row.version,
        parent=row.parent.version if row.parent else None,
        state=row.state,
        author=row.author.username if row.author else "",
        note=row.note,
        sha256=row.sha256,
        labels=labels,
        decided=decided,
        taxonomy=row.taxonomy.version,
        runs=tuple(run_shown(runs[pk]) for pk in row.runs if pk in runs),
        when=row.published or row.created,
    )


def run_shown(run: Run, *, read: bool = True) -> RunShown:
    source = run.params.get("endpoint") or str(run.params.get("path", "")).rpartition("/")[2]
    return RunShown(run.pk, run_name(run), source, run.finished, read)


def maps_context(user: User, query: QueryDict) -> Context:
    """The list of versions, the newest first."""
    page = newest_first(scoped(user, MergeMap).select_related("parent", "author", "taxonomy"), query)
    return {"maps": maps_shown(page.rows), "pager": page.pager}


def map_context(user: User, row: MergeMap, query: QueryDict) -> Context:
    """One version with what it says about each label; a lead may choose the labelling runs of a draft."""
    filters = EntryFilter(query)
    entries = scoped(user, MapEntry).filter(merge_map=row).select_related("label", "category")
    if key := label_key(filters.text("q")):
        entries = entries.filter(label__key__contains=key)
    page = newest_first(entries, query)
    draft = row.state == MergeMap.State.DRAFT
    return {
        "map": maps_shown([row])[0],
        "entries": [_entry_shown(one) for one in page.rows],
        "pager": page.pager,
        "q": filters.text("q"),
        "can_export": can(user, "export"),
        "can_choose": draft and can(user, "publish"),
        "runs": [run_shown(run, read=run.pk in row.runs) for run in runs_linking()] if draft else [],
    }


def _entry_shown(entry: MapEntry) -> Context:
    return {
        "label": entry.label_id,
        "name": entry.label.name,
        "category": DROP if entry.dropped else entry.category,
        "theme": entry.theme,
        "by": entry.get_decided_by_display() if entry.decided_by else "",
    }


def diff_context(user: User, row: MergeMap, query: QueryDict) -> Context:
    """What changed since the version that the address names, else since the parent."""
    version = DiffFilter(query).kept["since"]
    others = scoped(user, MergeMap).exclude(pk=row.pk)
    old = others.filter(version=version).first() if version else row.parent
    found = map_diff(old, row)
    return {
        "map": row.version,
        "since": old.version if old else None,
        "others": list(others.order_by("-version").values_list("version", flat=True)),
        "counts": [(CHANGES[kind], count) for kind, count in found.counts.items()],
        "labels": len(found.rows),
        "prompts": found.prompts,
        "rows": list(diff_rows(found, MOST_ROWS)),
    }


def diff_rows(found: MapDiff, most: int) -> Iterable[DiffRow]:
    """The first rows: those of the most prompts."""
    taxonomies = {one.taxonomy_id for one in (found.old, found.new) if one}
    categories = {row.code: row for row in Category.objects.filter(taxonomy__in=taxonomies)}
    for row in found.rows[:most]:
        before, after = (code if code == DROP else categories.get(code) for code in (row.before, row.after))
        themes = (row.theme_before, row.theme_after)
        yield DiffRow(row.label, row.name, str(CHANGES[row.kind]), before, after, *themes, row.prompts)
