"""Prompts that leave: all that fit a filter as a file for leads, or one page of the list as its reader sees it.

Whatever leaves is an event of the audit record with its filter and its number of prompts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from annotation.catalogue import held
from annotation.models import Category, Corpus, IntentLabel, MergeMap, Prompt, Response
from annotation.pages.explorer import View
from annotation.pages.prompts import PromptShown
from annotation.prompt_filter import PromptFilter
from annotation.text import CLEAN_VERSION, clean
from madsafe_web.core.access import scoped
from madsafe_web.core.audit import audit
from madsafe_web.core.models import User
from madsafe_web.core.textio import csv_line

if TYPE_CHECKING:
    from annotation.catalogue.index import Catalogue

BATCH_ROWS = 2000
STORED = ("id", "text", "language", "corpus", "source_id", "scenario", "attack_type", "origin", "state")
SCORES = ("perplexity", "response_safety", "instruction_safety")
COLUMNS = (*STORED, "categories", "labels", *SCORES, "responses")
SHOWN = ("id", "text", "language", "corpus", "state", "categories", "labels", *SCORES)
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

    Prompts that derive from a corpus not for export stay out, and withdrawn ones too. `kind` is jsonl or csv.
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
        query=filters.address(),
        merge_map=merge_map.version if merge_map else None,
        rows=len(kept),
        left_out=counted,
        format=kind,
        cleaning=CLEAN_VERSION,
    )
    lines = _Lines(user, catalogue, wanted.merge_map)
    batches = (lines.of(kept[start : start + BATCH_ROWS]) for start in range(0, len(kept), BATCH_ROWS))
    return Export(len(kept), counted["barred"], counted["withdrawn"], WRITERS[kind](batches))


def as_jsonl(batches: Iterator[list[Row]]) -> Iterator[bytes]:
    for batch in batches:
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in batch)


def as_csv(batches: Iterator[list[Row]]) -> Iterator[bytes]:
    """A line for each prompt; of its responses it has only the number."""
    yield csv_line(COLUMNS).encode()
    for batch in batches:
        rows = ({**row, "responses": len(row["responses"])} for row in batch)
        yield "".join(csv_line(_cell(row[name]) for name in COLUMNS) for row in rows).encode()


WRITERS: Mapping[str, Callable[[Iterator[list[Row]]], Iterator[bytes]]] = {"jsonl": as_jsonl, "csv": as_csv}


def _cell(value: Any) -> object:
    return JOINT.join(value) if isinstance(value, list) else value


class _Lines:
    """Makes the lines of an export: texts from the database, everything else from the catalogue."""

    def __init__(self, user: User, catalogue: Catalogue, merge_map: int | None) -> None:
        from annotation.catalogue import asking

        self.user, self.catalogue = user, catalogue
        self.corpora = dict(Corpus.objects.values_list("id", "name"))
        self.labels = dict(IntentLabel.objects.values_list("id", "name"))
        self.bits = asking.category_bits(catalogue, merge_map)
        self.codes = list(Category.objects.values_list("code", "position"))

    def of(self, rows: Any) -> list[Row]:
        """The lines of some rows of the catalogue; whatever was withdrawn since is none."""
        from annotation.catalogue import asking

        ids = [int(pk) for pk in self.catalogue.ids[rows]]
        found = scoped(self.user, Prompt).filter(id__in=ids).exclude(state=Prompt.State.WITHDRAWN)
        stored = {values[0]: values for values in found.values_list(*STORED)}
        responses, labels = responses_of(ids), asking.labels_of(self.catalogue, rows)
        scores = {name: asking.numbers_of(self.catalogue, name, rows) for name in SCORES}
        bits = self.bits[rows].tolist()
        return [
            {
                **dict(zip(STORED, stored[pk], strict=True)),
                "text": clean(stored[pk][1]),
                "corpus": self.corpora[stored[pk][3]],
                "categories": [code for code, position in self.codes if bits[at] >> position & 1],
                "labels": [self.labels[label] for label in labels[at] if label in self.labels],
                **{name: scores[name][at] for name in SCORES},
                "responses": responses.get(pk, []),
            }
            for at, pk in enumerate(ids)
            if pk in stored
        ]


def responses_of(ids: Sequence[int]) -> dict[int, list[Row]]:
    """Prompt id → its responses, oldest first."""
    found: dict[int, list[Row]] = defaultdict(list)
    rows = Response.objects.filter(prompt__in=ids).order_by("id").values_list("prompt", "id", "text", "kind", "origin")
    for prompt, pk, text, kind, origin in rows:
        found[prompt].append({"id": pk, "text": clean(text), "kind": kind, "origin": origin})
    return found


def page_copy(*, user: User, filters: PromptFilter, view: View, shown: Sequence[PromptShown], kind: str) -> bytes:
    """The page of the list as its reader sees it, as JSON or CSV."""
    audit(
        user,
        "prompts.copy",
        "prompts",
        query=filters.address(page=view.pages.number),
        rows=len(shown),
        total=view.pages.total,
        format=kind,
    )
    rows = [_shown(one, row) for one, row in zip(shown, view.rows, strict=True)]
    if kind == "csv":
        lines = (csv_line(_cell(row[name]) for name in SHOWN) for row in rows)
        return (csv_line(SHOWN) + "".join(lines)).encode()
    place = {"total": view.pages.total, "page": view.pages.number, "pages": view.pages.count}
    return orjson.dumps({**place, "prompts": rows}, option=orjson.OPT_INDENT_2)


def _shown(one: PromptShown, row: Prompt) -> Row:
    scores = {name: getattr(one, name) for name in SCORES}
    plain = {"id": one.id, "text": one.text, "language": one.lang, "corpus": one.corpus, "state": row.state}
    return {**plain, "categories": [row.code for row in one.categories], "labels": one.labels, **scores}
