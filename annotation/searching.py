"""Which prompts hold a text: any part of them, of one character or of many, in any script.

Both databases have an index of their own kind. It only narrows down; what matches is decided by comparing the folded
text itself, so the hits are those of LIKE. See docs/decisions/0013.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from operator import add

from django.db import connection, models, transaction
from django.db.models import F, Func, QuerySet, Value
from django.db.models.functions import StrIndex

from annotation.models import Prompt
from annotation.text import folded

INDEX = "annotation_promptsearch"  # SQLite's; the index of PostgreSQL looks after itself
INSERT = f"INSERT INTO {INDEX} (rowid, grams) VALUES (%s, %s)"  # noqa: S608  # a name of ours
REMOVE = f"INSERT INTO {INDEX} ({INDEX}, rowid, grams) VALUES ('delete', %s, %s)"  # noqa: S608
MERGE = f"INSERT INTO {INDEX} ({INDEX}, rank) VALUES ('merge', %s)"  # noqa: S608
EMPTY = f"INSERT INTO {INDEX} ({INDEX}) VALUES ('delete-all')"  # noqa: S608
BATCH = 2000
MERGED_PAGES = 2000  # of 4 KB, in one step: some tenths of a second
MOST_GRAMS = 40  # of a query: more would hardly narrow it down further
_NO_TOKEN = re.compile(r"[\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+")  # what the tokenizer `ascii` splits at


class _InIndex(Func):
    template = f"(SELECT rowid FROM {INDEX} WHERE {INDEX} MATCH %(expressions)s)"  # noqa: S608
    output_field = models.BigIntegerField()


class _HasCharacters(Func):
    """Whether every character of the second text stands in the first: what PostgreSQL's index answers."""

    # Compared as bytes: by the rules of a language, the index takes a third longer to fill.
    template = 'string_to_array(%(expressions)s COLLATE "C", NULL)'
    arg_joiner = ' COLLATE "C", NULL) @> string_to_array('
    output_field = models.BooleanField()


def matching(rows: QuerySet[Prompt], text: str) -> QuerySet[Prompt]:
    """Those of the prompts whose text holds this one, letter for letter, however it is folded; all for a blank text.

    Nothing in it has a meaning of its own: quotes, *, AND, % and _ stand for themselves.
    """
    wanted = folded(text).strip()
    if not wanted:
        return rows
    if "\0" in wanted or any("\ud800" <= char <= "\udfff" for char in wanted):
        return rows.none()  # no stored text has such a character, and databases refuse it
    if connection.vendor == "postgresql":
        rows = rows.filter(_HasCharacters(F("folded"), Value(wanted)))
    elif query := _query(wanted):
        rows = rows.filter(pk__in=_InIndex(Value(query)))
    return rows.alias(found_at=StrIndex(F("folded"), Value(wanted))).filter(found_at__gt=0)


def grams(text: str) -> str:
    """Each character of a folded text with the next one; a letter before or after punctuation also stands alone."""
    return " ".join(map(add, text, text[1:] + " "))


def remember(prompts: Iterable[tuple[int, str]]) -> None:
    """Put new prompts, (id, folded text), into the index. Call inside the transaction that stores them."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.executemany(INSERT, [(pk, grams(text)) for pk, text in prompts])


def forget(prompt_ids: Sequence[int]) -> None:
    """Take prompts out of the index. Call before they are deleted or blanked, inside the transaction that does it."""
    if connection.vendor != "sqlite":
        return
    for start in range(0, len(prompt_ids), BATCH):
        found = Prompt.objects.filter(pk__in=prompt_ids[start : start + BATCH])
        texts = found.exclude(folded="").values_list("pk", "folded")
        with connection.cursor() as cursor:
            cursor.executemany(REMOVE, [(pk, grams(text)) for pk, text in texts])


@transaction.atomic
def merge_step(*, first: bool) -> bool:
    """One step of writing the index anew without what was taken out of it; False when nothing is left to do.

    SQLite only notes what is taken out and drops it when the parts of the index are merged: by itself some day. Before
    the first step of a round all parts are put in line, so that none stays (a negative number asks for that).
    """
    if connection.vendor != "sqlite":
        return False
    with connection.cursor() as cursor:
        before = connection.connection.total_changes
        cursor.execute(MERGE, [-MERGED_PAGES if first else MERGED_PAGES])
        return bool(connection.connection.total_changes - before >= 2)  # one of them is this statement


@transaction.atomic
def rebuild() -> None:
    """Make the index anew from the stored prompts."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    last = 0
    while rows := list(Prompt.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "folded")[:BATCH]):
        remember(rows)
        last = rows[-1][0]


def _query(wanted: str) -> str:
    """What the index is asked for: every pair of characters, or all that begins with a single one."""
    if len(wanted) == 1:
        token = _NO_TOKEN.sub("", wanted)
        return f'"{token}"*' if token else ""
    tokens = {token for pair in map(add, wanted, wanted[1:]) for token in _NO_TOKEN.split(pair) if token}
    return " ".join(f'"{token}"' for token in sorted(tokens)[:MOST_GRAMS])
