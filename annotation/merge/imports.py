"""Decisions about labels from a file, and those of a version, taken into the draft as one step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db import transaction

from annotation.merge.drafts import map_draft_open
from annotation.merge.operations import Change, Codes, Step, Verb, draft_locked, operation_do
from annotation.merge.states import DROP, EntryState
from annotation.models import DecidedBy, LabelOperation, MapEntry, MergeMap
from madsafe_web.core.llm.parse import label_key
from madsafe_web.core.models import User
from madsafe_web.core.textio import BadRecord, Record, csv_plain, file_layout, read_any

ENTRIES = "entries"  # the list of a JSON file that holds the rows
LONGEST_THEME = MapEntry._meta.get_field("theme").max_length or 0


@dataclass(frozen=True, slots=True)
class Said:
    """A usable row: the key of a label, its target (category code, DROP, "" for undecided), common name, by whom."""

    row: int
    key: str
    target: str
    theme: str
    by: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that says nothing usable; `reason` completes "the row ..."."""

    row: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.field or 'the row'} {self.reason}"


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of it: rows read, labels that changed, rows refused, and the step, None where nothing changed."""

    read: int
    changed: int
    refused: tuple[Refused, ...]
    step: LabelOperation | None

    def told(self) -> dict[str, Any]:
        """The outcome as JSON takes it."""
        return {"read": self.read, "changed": self.changed, "refused": [str(one) for one in self.refused]}


Become = Callable[[EntryState, Said], EntryState]


def map_import(*, user: User | None, rows: Iterable[Said | Refused], name: str) -> Taken:
    """Make the draft say about labels what rows of a map say (`file_rows`); those that cannot be used are left out.

    `name` says in the history where they came from. Raises StaleDecision when somebody decides meanwhile, BadFile for
    a file that cannot be read on.
    """
    return _take(user, list(rows), name, _as_said)


def map_apply(*, user: User | None, source: Path | MergeMap) -> Taken:
    """Decide the undecided labels of the draft as a file or a version does, by their keys and marked "by rule".

    What people decided or answered blindly stays. Raises as `map_import` does.
    """
    rows = list(map_rows(source) if isinstance(source, MergeMap) else file_rows(source))
    name = f"map {source}" if isinstance(source, MergeMap) else source.name
    return _take(user, [row for row in rows if not isinstance(row, Said) or row.target], name, _by_rule)


def _as_said(state: EntryState, said: Said) -> EntryState:
    by = said.by if said.target else DecidedBy.NOBODY
    return replace(_decided(state, said), by=by, theme=said.theme)


def _by_rule(state: EntryState, said: Said) -> EntryState:
    if state.by or state.second:  # decided, or answered blindly
        return state
    return replace(_decided(state, said), by=DecidedBy.RULE, theme=said.theme or state.theme)


def _decided(state: EntryState, said: Said) -> EntryState:
    """With the target that a row says. A decision ends what was waited for; what is said already changes nothing."""
    if state.target == said.target:
        return state
    return replace(state, target=said.target, second=MapEntry.Second.NONE)


@transaction.atomic
def _take(
    user: User | None,
    rows: Iterable[Said | Refused],
    name: str,
    become: Become,
) -> Taken:
    """One step over all labels that rows change."""
    draft = draft_locked(map_draft_open(user))
    codes = Codes.of(draft)
    entries = {entry.label.key: entry for entry in draft.entries.select_related("label")}
    read = list(rows)
    wanted, refused = _wanted(read, entries, codes)
    changed = {}
    for entry, said in wanted:
        now = EntryState.of(entry, codes.code_of)
        if become(now, said) != now:
            changed[entry.label_id] = (entry.revision, said)
    step = None
    if changed:
        changes = {pk: _change(become, said) for pk, (_, said) in changed.items()}
        seen = {pk: revision for pk, (revision, _) in changed.items()}
        told = Step(Verb.APPLY, {"file": name}, lambda state: state, changes=changes)
        step = operation_do(draft=draft, user=user, seen=seen, step=told)
    return Taken(len(read), len(changed), tuple(refused), step)


def _change(become: Become, said: Said) -> Change:
    return lambda state: become(state, said)


def _wanted(
    rows: Iterable[Said | Refused], entries: Mapping[str, MapEntry], codes: Codes
) -> tuple[list[tuple[MapEntry, Said]], list[Refused]]:
    """The rows with the entries that they are about, and those that cannot be used."""
    found: dict[str, tuple[MapEntry, Said]] = {}
    refused = []
    for row in rows:
        if isinstance(row, Refused):
            refused.append(row)
        elif row.key not in entries:
            refused.append(Refused(row.row, "label", "is none of the labels to merge"))
        elif row.target not in ("", DROP) and row.target not in codes.id_of:
            refused.append(Refused(row.row, "category", f"is none of the taxonomy: {row.target[:40]}"))
        elif row.key in found:
            refused.append(Refused(row.row, "label", f"is that of row {found[row.key][1].row} again"))
        else:
            found[row.key] = (entries[row.key], row)
    return list(found.values()), refused


def map_rows(merge_map: MergeMap) -> Iterator[Said]:
    """What a version says about each label."""
    rows = merge_map.entries.order_by("label__key")
    columns = ("label__key", "category__code", "dropped", "theme", "decided_by")
    for number, (key, code, dropped, theme, by) in enumerate(rows.values_list(*columns), 1):
        yield Said(number, key, DROP if dropped else code or "", theme, by)


def file_rows(path: Path) -> Iterator[Said | Refused]:
    """The rows of a CSV or JSON file of a map. Raises BadFile for one that cannot be read."""
    table = file_layout(path) == "csv"
    for number, record in enumerate(_records(path), 1):
        yield row_of(number, record, table=table)


def _records(path: Path) -> Iterator[Record | BadRecord]:
    """The rows about labels, without what a JSON file says about the map itself; one on a single line is one record."""
    for record in read_any(path):
        value = record.value if isinstance(record, Record) else None
        if isinstance(value, dict) and isinstance(value.get(ENTRIES), list):
            yield from (Record(record.number, row) for row in value[ENTRIES])
        elif isinstance(record, BadRecord) or record.group in ("", ENTRIES):
            yield record


def row_of(number: int, record: Record | BadRecord, *, table: bool = False) -> Said | Refused:
    """A row of a map; in a `table` a text that looks like a formula stands behind a quote."""
    if isinstance(record, BadRecord):
        return Refused(number, record.field, record.reason)
    if not isinstance(record.value, dict):
        return Refused(number, "", "is no object with named fields")
    cells: dict[str, str] = {}
    for field in ("key", "label", "category", "theme", "by"):
        value = record.value.get(field)
        if not isinstance(value, str | None):
            return Refused(number, field, "is no text")
        cells[field] = (csv_plain(value or "") if table else value or "").strip()
    key = label_key(cells["key"] or cells["label"])
    if not key:
        return Refused(number, "label", "is missing or empty")
    if "category" not in record.value:
        return Refused(number, "category", "is missing: leave it empty for an undecided label")
    if len(cells["theme"]) > LONGEST_THEME:
        return Refused(number, "theme", f"is longer than {LONGEST_THEME} characters")
    by = cells["by"] if cells["by"] == DecidedBy.RULE else DecidedBy.PERSON.value
    return Said(number, key, cells["category"], cells["theme"], by)
