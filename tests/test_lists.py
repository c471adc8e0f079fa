"""Every list: its length costs no queries, and what an address asks for by a name that is no filter changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation import corpus_facts, label_use, spread
from annotation.models import Upload
from madsafe_web.core.audit import audit
from madsafe_web.core.models import Endpoint, User
from madsafe_web.core.runs.notices import notice_add
from tests.factories import (
    make_corpus,
    make_label,
    make_prompts,
    make_queue,
    make_run,
    make_suggestion,
    make_user,
    sign_in,
)
from tests.pipeline.sets import made_set, training_run
from tests.roles import ADDRESSES, statuses

pytestmark = pytest.mark.django_db
FEW, MANY = 3, 60


def corpora(first: int, last: int) -> None:
    for number in range(first, last):
        make_prompts(1, make_corpus(f"corpus {number}"), scenario="some")


def prompts(first: int, last: int) -> None:
    corpus = make_corpus(f"prompts from {first}")
    run = make_run()
    for number, prompt in enumerate(make_prompts(last - first, corpus), first):
        make_label(f"label {number}", [prompt], run)


def labels(first: int, last: int) -> None:
    prompt = make_prompts(1, make_corpus(f"labels from {first}"))
    run = make_run()
    for number in range(first, last):
        make_suggestion(make_label(f"label {number}", prompt, run), "OFF")


def runs(first: int, last: int) -> None:
    for _ in range(first, last):
        make_run("label")


def notices(first: int, last: int) -> None:
    lead = User.objects.get(username="lead")
    for _ in range(first, last):
        notice_add(make_run("label", actor=lead), "done")


def sets(first: int, last: int) -> None:
    for number in range(first, last):
        made_set(f"set {number}", safety=1, general=1)


def trainings(first: int, last: int) -> None:
    made = made_set(f"trained on {first}", safety=1, general=1)
    for _ in range(first, last):
        training_run("done", made, points=2)


def events(first: int, last: int) -> None:
    for number in range(first, last):
        audit(None, "run.start", f"run {number}")


def people(first: int, last: int) -> None:
    for number in range(first, last):
        make_user(f"person {number}")


def endpoints(first: int, last: int) -> None:
    for number in range(first, last):
        Endpoint.objects.create(name=f"endpoint {number}", backend="rules")


def reviews(first: int, last: int) -> None:
    if first == 0:
        make_queue(MANY)


def uploads(first: int, last: int) -> None:
    lead = User.objects.get(username="lead")
    for number in range(first, last):
        Upload.objects.create(token=f"{number:032}", user=lead, name=f"rows{number}.json", size=3)


# Address of a list → what makes rows number `first` to `last` of it.
LISTS: dict[str, Callable[[int, int], None]] = {
    "overview": runs,
    "audit:list": events,
    "runs:list": runs,
    "runs:notices": notices,
    "annotation:corpora": corpora,
    "annotation:prompts": prompts,
    "annotation:upload": uploads,
    "annotation:merge": labels,
    "annotation:review": reviews,
    "pipeline:sets": sets,
    "pipeline:trainings": trainings,
    "accounts:users": people,
    "llm:endpoints": endpoints,
}
NAMES = [name for name in LISTS if name in ADDRESSES]
each_list = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def reader(name: str) -> Client:
    """Somebody who may read the list."""
    role = "lead" if statuses(name, "GET")["lead"] == 200 else "admin"
    return sign_in(make_user(role, User.Role(role)))


def queries(person: Client, path: str) -> int:
    """The number of queries of a page that was opened before, so that what is kept in the process is there."""
    label_use.forget()
    spread.forget()
    corpus_facts.forget()
    assert person.get(path).status_code == 200
    with CaptureQueriesContext(connection) as captured:
        person.get(path)
    return len(captured)


@each_list
def test_sixty_rows_cost_as_many_queries_as_three(name: str) -> None:
    person, path = reader(name), reverse(name)
    LISTS[name](0, FEW)
    few = queries(person, path)
    LISTS[name](FEW, MANY)
    assert queries(person, path) == few


@each_list
@pytest.mark.parametrize(
    "query",
    [
        {"order": "password", "ordering": "-actor__password", "sort": "secret"},
        {"user__password__startswith": "a", "actor__password": "a", "endpoint__secret__gt": ""},
        {"before": "x", "after": "-1", "page": "9" * 40},
        {"before": "9" * 19, "after": "0"},
    ],
    ids=["order", "lookup", "place", "border"],
)
def test_a_name_that_is_no_filter_changes_nothing(name: str, query: dict[str, str]) -> None:
    person, path = reader(name), reverse(name)
    LISTS[name](0, FEW)
    plain, asked = person.get(path), person.get(path, query)
    assert asked.status_code == 200
    assert asked.text.count("<tr") == plain.text.count("<tr")
    assert asked.text.count("<li") == plain.text.count("<li")
