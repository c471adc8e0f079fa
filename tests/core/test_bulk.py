"""Rows that go in past the ORM, in one statement."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from madsafe_web.core import bulk
from madsafe_web.core.models import PromptTemplate, RunRow
from tests.factories import make_run

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
