"""Prompts that leave: all that fit a filter as a file for leads, or one page of the list as its reader sees it.

Whatever leaves is an event of the audit record with its filter and its number of prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson

from annotation.catalogue import held, stored
from annotation.models import Corpus, IntentLabel, MergeMap, Prompt, Response
from annotation.pages.explorer import View
from annotation.pages.prompts import PromptShown
from annotation.prompt_filter import PromptFilter
from annotation.selectors import categories_of
from annotation.text import CLEAN_VERSION, clean
from madsafe_web.core.access import scoped
from madsafe_web.core.audit import audit
from madsafe_web.core.bulk import fetched, nothing_collected
from madsafe_web.core.models import User
from madsafe_web.core.textio import csv_line

if TYPE_CHECKING:
    from annotation.catalogue.index import Catalogue

BATCH_ROWS = 2000
SCORES = ("perplexity", "response_safety", "instruction_safety")
CODED = ("language", "scenario", "attack", "origin", "state")
PLACE = ("id", "text", "language", "corpus", "source_id", "scenario", "attack_type", "origin", "state")
COLUMNS = (*PLACE, "categories", "labels", *SCORES, "responses")
SHOWN = ("id", "text", "language", "corpus", "state", "categories", "labels", *SCORES)
NONE: tuple[()] = ()  # responses of a prompt without any
CLOSE = 2  # ids in a range for each one that is wanted, at most
LINE_END = orjson.Fragment(b"\n")
JOINT = " | "  # between the values of one cell
Row = dict[str, Any]
CONTENT_TYPES = {
    "jsonl": "application/x-ndjson; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Export:
    """A file in the making: how many prompts are in it, how many stay out, and its pieces, a batch each."""

    count: int
    barred: int
    withdrawn: int
    pieces: Iterator[bytes]


def prompts_export(*, user: User, filters: PromptFilter, merge_map: MergeMap | None, kind: str) -> Export:
    """All prompts that fit, in the order of the filter, as of now: what comes later is not in it.

    Prompts that derive from a corpus not for export stay out, and withdrawn ones too. `kind` is jsonl or csv. Raises
    NotReady where no catalogue can be made.
    """
    from annotation.catalogue import asking

    catalogue = held.current(fresh=True)
    wanted = filters.wanted(merge_map.pk if merge_map else None)
    order = asking.ordered(catalogue, wanted.sort)
    rows = order[asking.fitting(catalogue, wanted)[order]]
    gone, barred = asking.of_state(catalogue, Prompt.State.WITHDRAWN)[rows], asking.barred(catalogue)[rows]
    kept = rows[~gone & ~barred]
    counted = {"withdrawn": int(gone.sum()), "barred": int((barred & ~gone).sum())}
    audit(
        user,
        "prompts.export",
        "prompts",
        query=filters.address(open=None, label_q=None),
        merge_map=merge_map.version if merge_map else None,
        rows=len(kept),
        left_out=counted,
        format=kind,
        cleaning=CLEAN_VERSION,
    )
    lines = _Lines(user, catalogue, wanted.merge_map)
    head, write = WRITERS[kind]
    batches = (kept[start : start + BATCH_ROWS] for start in range(0, len(kept), BATCH_ROWS))
    pieces = chain([head] if head else [], (lines.piece(rows, write) for rows in batches))
    return Export(len(kept), counted["barred"], counted["withdrawn"], pieces)


def as_jsonl(rows: list[Row]) -> bytes:
    """A line for each prompt. All in one call: a bare line break stands between the rows and nowhere in them."""
    parts: list[Any] = [LINE_END] * (2 * len(rows))
    parts[::2] = rows
    return orjson.dumps(parts)[1:-3].replace(b",\n,", b"\n") + b"\n" if rows else b""


def as_csv(rows: list[Row]) -> bytes:
    """A line for each prompt; of its responses it has only the number."""
    counted = ({**row, "responses": len(row["responses"])} for row in rows)
    return "".join(csv_line(_cell(row[name]) for name in COLUMNS) for row in counted).encode()


WRITERS: Mapping[str, tuple[bytes, Callable[[list[Row]], bytes]]] = {
    "jsonl": (b"", as_jsonl),
    "csv": (csv_line(COLUMNS).encode(), as_csv),
}


def _cell(value: Any) -> object:
    return JOINT.join(value) if isinstance(value, list) else value


class _Lines:
    """Makes the lines of an export: texts from the database, everything else from the catalogue."""

    def __init__(self, user: User, catalogue: Catalogue, merge_map: int | None) -> None:
        from annotation.catalogue import asking

        self.user, self.catalogue = user, catalogue
        corpora = dict(Corpus.objects.values_list("id", "name"))
        labels = dict(IntentLabel.objects.values_list("id", "name"))
        self.corpora = [corpora[int(pk)] for pk in catalogue.coded["corpus"].values]
        self.labels = [labels.get(pk, "") for pk in catalogue.labels.tolist()]
        self.bits = asking.category_bits(catalogue, merge_map)
        self.named = _Named((code, one.position) for code, one in categories_of(merge_map).items())

    @nothing_collected()
    def piece(self, rows: Any, write: Callable[[list[Row]], bytes]) -> bytes:
        """Some rows of the catalogue as a part of the file: their lines are gone again when this ends."""
        return write(self.of(rows))

    def of(self, rows: Any) -> list[Row]:
        """The lines of some rows of the catalogue, their names as in COLUMNS; whatever was withdrawn since is none."""
        from annotation.catalogue import asking

        ids = self.catalogue.ids[rows].tolist()
        prompts = scoped(self.user, Prompt).exclude(state=Prompt.State.WITHDRAWN).order_by()
        prompts = prompts.filter(**_among("id", ids))
        stored = {row[0]: row for row in fetched(prompts.values_list("id", "text", "source_id"))}
        responses, named = responses_of(ids), self.named
        columns = (
            *(ids, self.bits[rows].tolist(), asking.labels_of(self.catalogue, rows, self.labels)),
            asking.values_of(self.catalogue, "corpus", rows, self.corpora),
            *(asking.values_of(self.catalogue, name, rows) for name in CODED),
            *(asking.numbers_of(self.catalogue, name, rows) for name in SCORES),
        )
        return [
            {
                "id": pk,
                "text": clean(text),
                "language": language,
                "corpus": corpus,
                "source_id": source_id,
                "scenario": scenario,
                "attack_type": attack_type,
                "origin": origin,
                "state": state,
                "categories": named[bits],
                "labels": labels,
                "perplexity": numbers[0],
                "response_safety": numbers[1],
                "instruction_safety": numbers[2],
                "responses": responses.get(pk, NONE),
            }
            for pk, bits, labels, corpus, language, scenario, attack_type, origin, state, *numbers in zip(
                *columns, strict=True
            )
            if pk in stored
            for _pk, text, source_id in (stored[pk],)
        ]


class _Named(dict[int, list[str]]):
    """Set of categories → their codes; few sets occur."""

    def __init__(self, codes: Iterable[tuple[str, int]]) -> None:
        super().__init__()
        self.codes = list(codes)

    def __missing__(self, bits: int) -> list[str]:
        found = self[bits] = [code for code, position in self.codes if bits >> position & 1]
        return found


def _among(name: str, ids: Sequence[int]) -> Row:
    """The condition for these ids: their range where they lie close together, which is read twice as fast."""
    first, last = min(ids), max(ids)
    if last - first < CLOSE * len(ids):
        return {f"{name}__gte": first, f"{name}__lte": last}
    return {f"{name}__in": ids}


def responses_of(ids: Sequence[int]) -> dict[int, list[Row]]:
    """Prompt id → its responses, oldest first."""
    found: dict[int, list[Row]] = {}
    rows = Response.objects.filter(**_among("prompt_id", ids)).order_by("prompt_id", "id")
    for prompt, pk, text, kind, origin in fetched(rows.values_list("prompt_id", "id", "text", "kind", "origin")):
        one = {"id": pk, "text": clean(text), "kind": kind, "origin": origin}
        if prompt in found:
            found[prompt].append(one)
        else:
            found[prompt] = [one]
    return found


@dataclass(frozen=True, slots=True)
class Copy:
    """A page of the list as a file, and how many of its prompts stay out."""

    content: bytes
    left_out: int


def page_copy(*, user: User, filters: PromptFilter, view: View, shown: Sequence[PromptShown], kind: str) -> Copy:
    """The page of the list as its reader sees it, as JSON or CSV, without what an export leaves out."""
    kept = _unbarred([row.pk for row in view.rows if row.state != Prompt.State.WITHDRAWN])
    left_out = len(view.rows) - len(kept)
    audit(
        user,
        "prompts.copy",
        "prompts",
        query=filters.address(open=None, label_q=None, page=view.pages.number),
        rows=len(kept),
        total=view.pages.total,
        left_out=left_out,
        format=kind,
    )
    rows = [_shown(one, row) for one, row in zip(shown, view.rows, strict=True) if row.pk in kept]
    if kind == "csv":
        lines = (csv_line(_cell(row[name]) for name in SHOWN) for row in rows)
        return Copy((csv_line(SHOWN) + "".join(lines)).encode(), left_out)
    place = {"total": view.pages.total, "page": view.pages.number, "pages": view.pages.count, "left_out": left_out}
    return Copy(orjson.dumps({**place, "prompts": rows}, option=orjson.OPT_INDENT_2), left_out)


def _unbarred(ids: list[int]) -> set[int]:
    try:
        catalogue = held.current()
    except held.NotReady:
        return stored.unbarred(ids)
    from annotation.catalogue import asking

    return asking.unbarred(catalogue, ids)


def _shown(one: PromptShown, row: Prompt) -> Row:
    scores = {name: getattr(one, name) for name in SCORES}
    plain = {"id": one.id, "text": one.text, "language": one.lang, "corpus": one.corpus, "state": row.state}
    return {**plain, "categories": [row.code for row in one.categories], "labels": one.labels, **scores}
