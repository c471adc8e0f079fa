"""Rows that go in past the ORM, in one statement."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import Prompt, Response
from madsafe_web.core import bulk
from madsafe_web.core.models import Generation, PromptTemplate, RunRow
from tests.factories import make_corpus, make_prompt, make_run

pytestmark = pytest.mark.django_db
TEMPLATE = ("name", "sha256", "text", "created")


def template(sha: str, text: str = "用水") -> tuple[object, ...]:
    return ("one", sha, text, connection.ops.adapt_datetimefield_value(timezone.now()))


def test_rows_go_in_as_the_orm_would_store_them() -> None:
    text = 'quoted "text", {curly}, \\N and\ttabs\n全角 😀'
    bulk.insert_at_once(PromptTemplate, TEMPLATE, [template("a", text), template("b", "")])
    stored = PromptTemplate.objects.order_by("sha256")
    assert [row.text for row in stored] == [text, ""]
    assert abs((timezone.now() - stored[0].created).total_seconds()) < 60


def test_numbers_stay_numbers() -> None:
    run = make_run()
    bulk.insert_at_once(
        RunRow, ("run_id", "subject", "outcome", "error_class", "message"), [(run.pk, "7", "done", "", "")]
    )
    assert RunRow.objects.get(run=run, subject="7").outcome == "done"


def test_what_stands_already_is_kept() -> None:
    bulk.insert_at_once(PromptTemplate, TEMPLATE, [template("a", "first")])
    bulk.insert_at_once(PromptTemplate, TEMPLATE, [template("a", "second"), template("b")], known="kept")
    assert dict(PromptTemplate.objects.values_list("sha256", "text")) == {"a": "first", "b": "用水"}


def test_what_stands_already_is_an_error_otherwise() -> None:
    bulk.insert_at_once(PromptTemplate, TEMPLATE, [template("a")])
    with pytest.raises(IntegrityError):
        bulk.insert_at_once(PromptTemplate, TEMPLATE, [template("a")])


def test_rows_are_found_by_texts_as_they_are_written() -> None:
    texts = ['quoted "text", {curly}', "back\\slash, 'quote'", "全角 😀", ""]
    for text in texts:
        PromptTemplate.objects.create(name="one", sha256=text, text=text)
    assert sorted(bulk.found(PromptTemplate, ("text",), "sha256", [*texts, "none"])) == sorted(
        (text,) for text in texts
    )


def test_rows_are_found_by_bytes_and_another_column() -> None:
    here, there = make_corpus("here"), make_corpus("there")
    one, two = make_prompt("a", here), make_prompt("b", here)
    make_prompt("a", there)
    keys = {one.key, two.key, b"\0" * 16}
    assert sorted(bulk.found(Prompt, ("id",), "key", keys, corpus_id=here.pk)) == [(one.pk,), (two.pk,)]
    assert len(bulk.found(Prompt, ("id",), "key", keys)) == 3


def test_nothing_is_found_by_no_value() -> None:
    assert bulk.found(Prompt, ("id",), "key", set()) == []


@pytest.mark.parametrize(
    ("look", "column"),
    [
        (lambda: bulk.found(Prompt, ("id",), "key", [b"\0" * 16], corpus_id=1), "key"),
        (lambda: bulk.found(Response, ("key",), "prompt_id", [1]), "prompt_id"),
        (lambda: bulk.found(Generation, ("text",), "call_key", ["0"]), "call_key"),
    ],
)
def test_what_is_looked_for_in_bulk_is_found_by_an_index(look: Callable[[], object], column: str) -> None:
    assert by_index(plan_of(look), column)


def by_index(plan: str, column: str) -> bool:
    """Whether a plan of either database looks for values of a column in an index, and reads no whole table."""
    cond = re.search(r"Index Cond: (.*)|USING .*INDEX (.*)", plan)
    return bool(cond and re.search(rf"\b{column}\)?(::text)? ?=", cond[0])) and "Seq Scan" not in plan


def plan_of(look: Callable[[], object]) -> str:
    """How the database would do the one query that `look` makes; reading a whole table is its last resort."""
    with CaptureQueriesContext(connection) as done:
        look()
    (query,) = done.captured_queries
    how = "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            how = "EXPLAIN"
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"{how} {query['sql']}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def test_ids_are_new_and_follow_each_other() -> None:
    stored = make_prompt("a").pk
    with transaction.atomic():
        ids = list(bulk.next_ids(Prompt, 3))
    assert ids == [stored + 1, stored + 2, stored + 3]


@pytest.mark.django_db(transaction=True)
def test_what_postgresql_is_told_holds_for_one_transaction() -> None:
    with transaction.atomic():
        bulk.prepare_writing()
        inside = durability()
    assert (inside, durability()) == (("off", "on") if connection.vendor == "postgresql" else ("", ""))


def durability() -> str:
    if connection.vendor != "postgresql":
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return str(cursor.fetchone()[0])
