"""What an importer is and gives: plain values, in the order of the file, nothing stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import orjson

from annotation.text import mc_key, prompt_key
from madsafe_web.core.textio import (
    GROUP,
    INDEX,
    BadFile,
    BadRecord,
    Member,
    Named,
    OtherShape,
    Record,
    Refused,
    Source,
    data_members,
    is_corrected,
    kept_raw,
    kept_value,
    passed_over,
)
from madsafe_web.core.textio.records import text_defect, value_defect

Role = Literal["alignment", "benchmark", "general"]

_ADVICE = "Choose the format that fits this file"
_NAME = re.compile(r"[\w.-]{1,40}")
_LONGEST_NAME = 200  # characters of RejectedImport.file
_MOST_TOLD = 20  # files that are passed over, by name
_LOOK_AHEAD = 20  # rows: one defective row at the start must not make a file look like another format


class WrongFormat(BadFile):
    """The file has another shape than the importer reads. Says what was expected, what was found and what to do."""


class NeedsAnswers(WrongFormat):
    """The file is of the format, but its answers lie in another one that was not given."""


@dataclass(frozen=True, slots=True)
class ImportedResponse:
    """One answer to a prompt. `kind`: "reply", or "positive" and "negative" where the source judged it."""

    text: str
    kind: str = "reply"


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One row of a source, texts unchanged. `payload` holds what has no place of its own, in JSON values.

    Multiple choice has `options` (list of texts) and `answer` (index from 0) in its payload.
    """

    source_id: str
    text: str
    responses: tuple[ImportedResponse, ...] = ()
    scenario: str = ""
    attack_type: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that is not imported. `reason` completes "the row ..." or "the field ...".

    `number` counts in `file`, the member of an archive or folder ("" where there is one file only). `raw` is the row as
    JSON, "" where it cannot be had or is too large to keep.
    """

    number: int
    field: str
    reason: str
    file: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Files that go with the one imported, and the split ("train", "test") that every row is to remember.

    `mapping` says which columns hold what, for formats that do not know it themselves (annotation.mappings).
    """

    answers: Path | None = None
    dev: Path | None = None
    split: str = ""
    mapping: Mapping[str, Any] = field(default_factory=dict)


Rows = Iterator[tuple[int, ImportedRow | RejectedRow]]

COUNTING = ContextVar("COUNTING", default=False)  # then rows are given without being converted
_COUNTED = ImportedRow("", "")


@dataclass(frozen=True, slots=True)
class Importer:
    """A source format. `licence` is what the source states; "" where each file has its own.

    `stated` reads it from the file itself, where files of the format say it. `leaves` says which data files of an
    archive or folder the format does not read.
    """

    name: str
    title: str
    default_role: Role
    licence: str
    read: Callable[[Path, ImportOptions], Rows]
    stated: Callable[[Path], str] | None = None
    leaves: Callable[[Path], list[Refused]] | None = None

    def licence_of(self, path: Path) -> str:
        """The licence of one file of this format, "" where nothing says it."""
        return (self.stated(path) if self.stated else "") or self.licence

    def not_read(self, path: Path) -> list[str]:
        """A clause for each file of an archive or folder that is passed over; of many the first 20 and their number."""
        try:
            left = [*passed_over(path), *(self.leaves(path) if self.leaves else [])]
        except BadFile:  # reading it says what is wrong
            return []
        told = [f"{_short(one.name, place)} was passed over: {one.reason}" for place, one in enumerate(left)]
        more = len(told) - _MOST_TOLD
        return [*told[:_MOST_TOLD], f"{more:,} more files were passed over"] if more > 0 else told


def each_member(
    path: Path, read: Callable[[Source], Rows], *, wanted: Callable[[Source], bool] = lambda source: True
) -> Rows:
    """Rows of each data file of an archive or folder that is `wanted`, numbered through; of a plain file, its own rows.

    A member that cannot be read, or not to its end, is one rejected row that names it, and the rest goes on.
    Raises BadFile (WrongFormat is one) when no member can be read at all.
    """
    members, refused = data_members(path)
    members = [member for member in members if wanted(member)]
    names = [_short(member.name, place) for place, member in enumerate(members)]
    if not members:
        raise BadFile(path, "none of its files is data", "Check that it is the right one")
    if len(members) == 1 and not refused and not is_corrected(members[0]):
        yield from read(members[0])
        return
    total = 0
    broken: list[tuple[str, int, BadFile]] = []
    for member, name in zip(members, names, strict=True):
        number = 0
        try:
            for number, row in read(member):
                yield total + number, replace(row, file=name) if isinstance(row, RejectedRow) else row
        except BadFile as error:
            broken.append((name, number, error))
        total += number
    if not total and broken:
        raise broken[0][2]
    ends = [(name, number, error.problem) for name, number, error in broken]
    unread = [(_short(one.name, len(names) + place), 0, one.reason) for place, one in enumerate(refused)]
    for name, number, problem in ends + unread:
        total += 1
        yield total, RejectedRow(number + 1, "", f"ends the reading of this file: {problem}", name)


def _short(name: str, place: int) -> str:
    """The name of a member as it can be stored, different for each of them."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 10]} ({place})"


def member_rows(
    path: Path,
    read: Callable[[Source], Iterable[Record | BadRecord]],
    *,
    fits: Callable[[Record], bool],
    expected: str,
    convert: Callable[[Record], ImportedRow | RejectedRow],
    split: str = "",
) -> Rows:
    """`rows` of each data file of `path`, which `read` turns into records. Raises as `each_member` does."""
    return each_member(
        path,
        lambda source: rows(source, read(source), fits=fits, expected=expected, convert=convert, split=split),
    )


def member_parts(source: Source) -> list[str]:
    """The folders and the bare name of a data file: ["data", "dev", "anatomy"] for data/dev/anatomy.csv."""
    path = PurePosixPath(source.name)
    return [*path.parts[:-1], path.name.split(".")[0]] if isinstance(source, Member) else [path.name.split(".")[0]]


def rows(
    path: Source,
    records: Iterable[Record | BadRecord],
    *,
    fits: Callable[[Record], bool],
    expected: str,
    convert: Callable[[Record], ImportedRow | RejectedRow],
    split: str = "",
) -> Rows:
    """Convert records one by one; a bad record becomes a rejected row, and so does one that no database stores.

    Raises WrongFormat when none of the first 20 records fits; `expected` completes "expected ...".
    """
    source = iter(records)
    head = _head(path, source, fits, expected)
    if COUNTING.get():
        yield from ((record.number, _COUNTED) for record in chain(head, source))
        return
    for record in chain(head, source):
        if isinstance(record, BadRecord):
            yield record.number, RejectedRow(record.number, record.field, record.reason, raw=_bad_raw(record))
            continue
        row = _storable(record.number, convert(record))
        if isinstance(row, RejectedRow):
            row = replace(row, raw=_raw(record))
        elif split or record.warning:
            row = _with(row, split, record.warning)
        yield record.number, row


def _with(row: ImportedRow, split: str, warning: str) -> ImportedRow:
    payload = {**row.payload, "split": split} if split else row.payload
    return replace(row, payload=payload, warnings=(*row.warnings, warning) if warning else row.warnings)


def _storable(number: int, row: ImportedRow | RejectedRow) -> ImportedRow | RejectedRow:
    """The row, or why it cannot be stored: readers see neither what is opened out of a text nor the size of numbers."""
    if isinstance(row, RejectedRow):
        return row
    texts = (row.text, row.source_id, row.scenario, row.attack_type, *[one.text for one in row.responses])
    if reason := text_defect("".join(texts)):
        return RejectedRow(number, "", reason)
    field, reason = _payload_defect(row.payload) if row.payload else ("", "")
    return RejectedRow(number, field, reason) if reason else row


def _payload_defect(payload: Mapping[str, Any]) -> tuple[str, str]:
    """As `value_defect`. Looks into the values only where writing them as JSON, which is quick, hints at something."""
    try:
        written = orjson.dumps(payload)
    except orjson.JSONEncodeError:  # a lone surrogate, an integer over 64 bits, or deep nesting
        written = b"null"
    # A number that is not finite is written as null.
    return value_defect(payload) if b"null" in written or b"\\u0000" in written else ("", "")


def first_records(records: Iterable[Record | BadRecord]) -> list[Record]:
    """The usable ones of the first 20 records, as far as the file can be read."""
    head: list[Record | BadRecord] = []
    with suppress(BadFile):  # reading on says what is wrong
        head.extend(islice(records, _LOOK_AHEAD))
    return [record for record in head if isinstance(record, Record)]


def prompt_problem(record: Record, name: str) -> RejectedRow | None:
    """Why the row of a record has no usable text under `name`, else None."""
    if not isinstance(record.value, dict):
        return RejectedRow(record.number, "", f"is {kind_of(record.value)}, expected an object")
    if name not in record.value:
        return RejectedRow(record.number, name, "is missing")
    text = record.value[name]
    if not isinstance(text, str):
        return RejectedRow(record.number, name, f"is {kind_of(text)}, expected a text")
    return None if is_filled(text) else RejectedRow(record.number, name, "is empty")


def is_filled(text: str) -> bool:
    """False for a text of blanks and marks without width alone."""
    return bool(text.strip("\ufeff\u200b \t\r\n\u00a0\u3000"))


def response_of(row: Mapping[str, Any], name: str, kind: str = "reply") -> tuple[ImportedResponse | None, str]:
    """(response, "") or (None, warning) for a field that should hold a response."""
    text = row.get(name)
    if isinstance(text, str) and text.strip():
        return ImportedResponse(text, kind), ""
    if name not in row:
        return None, f"{name} is missing"
    return None, f"{name} is empty" if isinstance(text, str) else f"{name} is {kind_of(text)}, expected a text"


def responses_of(
    row: Mapping[str, Any], kinds: Mapping[str, str]
) -> tuple[tuple[ImportedResponse, ...], tuple[str, ...]]:
    """(responses, warnings) of several fields, `kinds` giving field name -> kind."""
    pairs = [response_of(row, name, kind) for name, kind in kinds.items()]
    responses = tuple(response for response, _ in pairs if response)
    return responses, tuple(warning for _, warning in pairs if warning)


def has_fields(record: Record, *names: str) -> bool:
    """True when the record is an object with all these fields."""
    return isinstance(record.value, dict) and all(name in record.value for name in names)


def text_of(value: object) -> str:
    """A text without blank edges, a number as text, "" for anything else."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def spelling(known: Iterable[str]) -> Callable[[str], str]:
    """Gives a name as one of `known` writes it, where only case, blanks, "_" and "-" differ; others as they are."""
    names = {_folded_name(name): name for name in known}
    exact = frozenset(names.values())  # nearly every row, so it is looked at first
    return lambda name: name if name in exact else names.get(_folded_name(name), name)


def _folded_name(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip()).casefold()


def row_key(row: ImportedRow) -> bytes:
    """Identity of a row in its corpus: the text, with the options where there are some."""
    options = row.payload.get("options")
    return mc_key(row.text, options) if options else prompt_key(row.text)


def kind_of(value: object) -> str:
    """A JSON value's type in plain words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "an array" if isinstance(value, list) else "an object"


def _raw(record: Record) -> str:
    """The row as JSON. What its place in the file says goes with it: corrected rows stand in a list of their own."""
    value = record.value
    if record.group and isinstance(value, dict):
        value = {**value, **_place(record)}
    try:
        return kept_raw(orjson.dumps(value).decode())
    except orjson.JSONEncodeError:  # an integer over 64 bits, or deep nesting
        return kept_value(value)


def _bad_raw(record: BadRecord) -> str:
    """The row as it stood in the file, an object with its place there; it may be one that nothing parses."""
    if not record.group or not record.raw.startswith("{"):
        return record.raw
    place = orjson.dumps(_place(record)).decode().removesuffix("}")
    rest = record.raw[1:].lstrip()
    return kept_raw(place + ("" if rest == "}" else ",") + rest)


def _place(record: Record | BadRecord) -> dict[str, object]:
    return {GROUP: record.group} if record.index is None else {GROUP: record.group, INDEX: record.index}


def _head(
    path: Named, source: Iterator[Record | BadRecord], fits: Callable[[Record], bool], expected: str
) -> list[Record | BadRecord]:
    head: list[Record | BadRecord] = []
    try:
        head.extend(islice(source, _LOOK_AHEAD))
    except OtherShape as error:
        raise WrongFormat(path, f"expected {expected}, but {error.problem}", _ADVICE) from error
    if not any(isinstance(record, Record) and fits(record) for record in head):
        raise WrongFormat(path, f"expected {expected}, found {_found(head)}", _ADVICE)
    return head


def _found(head: list[Record | BadRecord]) -> str:
    if not head:
        return "no rows"
    first = head[0]
    if isinstance(first, BadRecord):
        return f"a row that {first.reason}"
    where = f" under the name {first.group[:40]!r}" if first.group else ""
    if isinstance(first.value, dict):
        names = list(first.value)[:8]
        # What stands where names should be may be the text of a prompt, which has no place in a message.
        plain = all(_NAME.fullmatch(name) for name in names)
        return f"an object with {', '.join(names) if names and plain else f'{len(first.value)} fields'}{where}"
    return kind_of(first.value) + where
