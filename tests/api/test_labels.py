"""Labels and maps over the API: decisions with a seen revision, steps back, publishing."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from annotation.models import LabelOperation, MapEntry, MergeMap
from madsafe_web.core.models import AuditEvent, Run
from tests.api.calls import Program, fields, problem, rows
from tests.factories import make_label, make_map, make_prompts, make_run, make_suggestion, make_user


def labels(count: int) -> list[Any]:
    prompts = make_prompts(2)
    return [make_label(f"label {number}", prompts) for number in range(count)]


def assign(program: Program, category: str, *seen: tuple[int, int]) -> Any:
    body = {"labels": [{"id": pk, "revision": revision} for pk, revision in seen], "category": category}
    return program.send("labels/assign/", body)


def test_a_label_tells_its_entry_and_its_suggestion(annotator_api: Program) -> None:
    (label,) = labels(1)
    make_suggestion(label, "OFF", 0.8)
    (shown,) = rows(annotator_api.ask("labels/"))
    assert shown == {
        "id": label.pk,
        "name": "label 0",
        "language": "en",
        "prompts": 2,
        "target": "",
        "decided_by": "",
        "revision": 0,
        "suggested": "OFF",
        "confidence": 0.8,
    }


def test_one_label_tells_some_of_its_prompts(annotator_api: Program) -> None:
    (label,) = labels(1)
    assert annotator_api.ask(f"labels/{label.pk}/").json()["examples"] == ["prompt 1", "prompt 2"]


def test_a_label_that_no_prompt_carries_is_there_to_merge(annotator_api: Program) -> None:
    shown = annotator_api.ask(f"labels/{make_label('alone').pk}/").json()
    assert shown["prompts"] == 0


def test_labels_are_filtered(annotator_api: Program) -> None:
    first, second = labels(2)
    assign(annotator_api, "OFF", (first.pk, 0))
    for query, found in (
        ({"view": "undecided"}, second),
        ({"view": "decided"}, first),
        ({"category": "OFF"}, first),
        ({"q": "LABEL 1"}, second),
    ):
        assert [row["id"] for row in rows(annotator_api.ask("labels/", **query))] == [found.pk]


def test_several_labels_are_decided_at_once(annotator_api: Program) -> None:
    first, second = labels(2)
    answer = assign(annotator_api, "OFF", (first.pk, 0), (second.pk, 0)).json()
    assert [(one["target"], one["decided_by"], one["revision"]) for one in answer["results"]] == [
        ("OFF", "person", 1)
    ] * 2


def test_who_saw_an_older_state_is_told_what_stands(annotator_api: Program, lead_api: Program) -> None:
    first, second = labels(2)
    assign(lead_api, "UB", (first.pk, 0))
    told = problem(assign(annotator_api, "OFF", (first.pk, 0), (second.pk, 0)), 409)
    assert [(one["label_id"], one["target"], one["revision"]) for one in told["current"]] == [
        (first.pk, "UB", 1),
        (second.pk, "", 0),
    ]
    assert not MapEntry.objects.filter(category__code="OFF").exists()


def test_a_label_that_does_not_exist_is_not_found(annotator_api: Program) -> None:
    (label,) = labels(1)
    problem(assign(annotator_api, "OFF", (label.pk, 0), (987654, 0)), 404)
    assert not LabelOperation.objects.exists()


@pytest.mark.parametrize("category", ["off", "XX", None, 1, ["OFF"]])
def test_only_a_category_of_the_fourteen_is_taken(annotator_api: Program, category: Any) -> None:
    (label,) = labels(1)
    assert fields(assign(annotator_api, category, (label.pk, 0))) == {"category"}


def test_a_decision_is_undone_and_redone(annotator_api: Program) -> None:
    (label,) = labels(1)
    assign(annotator_api, "DROP", (label.pk, 0))
    assert annotator_api.send("labels/undo/").json()["results"][0]["target"] == ""
    assert annotator_api.send("labels/redo/").json()["results"][0]["target"] == "DROP"
    assert annotator_api.send("labels/redo/").json() == {"results": []}


def test_nobody_undoes_what_another_decided_since(annotator_api: Program, lead_api: Program) -> None:
    (label,) = labels(1)
    assign(annotator_api, "OFF", (label.pk, 0))
    assign(lead_api, "UB", (label.pk, 1))
    problem(annotator_api.send("labels/undo/"), 409)


def test_a_draft_is_published_for_ever(lead_api: Program) -> None:
    draft = make_map({label: "OFF" for label in labels(2)})
    published = lead_api.send(f"merge-maps/{draft.pk}/publish/").json()
    assert (published["state"], len(published["sha256"])) == ("published", 64)
    problem(lead_api.send(f"merge-maps/{draft.pk}/publish/"), 409)
    assert AuditEvent.objects.get().verb == "map.publish"


def test_a_draft_that_a_merge_waits_for_is_finished_and_not_published(lead_api: Program) -> None:
    draft = make_map({label: "OFF" for label in labels(1)})
    run = make_run("merge", Run.State.NEEDS_PEOPLE)
    problem(lead_api.send(f"merge-maps/{draft.pk}/publish/"), 409)
    assert lead_api.send(f"merge-maps/{draft.pk}/finish/").json()["state"] == "queued"
    run.refresh_from_db()
    assert run.outputs["finished_by"] == "lead_program"
    problem(lead_api.send(f"merge-maps/{draft.pk}/finish/"), 409)


def test_an_annotator_publishes_nothing(annotator_api: Program) -> None:
    draft = make_map({label: "OFF" for label in labels(1)})
    problem(annotator_api.send(f"merge-maps/{draft.pk}/publish/"), 403)


def test_the_entries_of_a_map_are_listed(annotator_api: Program) -> None:
    first, second = labels(2)
    draft = make_map({first: "OFF", second: "DROP"})
    found = rows(annotator_api.ask(f"merge-maps/{draft.pk}/entries/", order="id"))
    assert [(row["name"], row["category"], row["dropped"]) for row in found] == [
        ("label 0", "OFF", False),
        ("label 1", None, True),
    ]
    assert rows(annotator_api.ask("merge-maps/", state="published")) == []


@pytest.mark.parametrize(("path", "queries"), [("labels/", 8), ("merge-maps/", 2), ("merge-maps/%s/entries/", 3)])
def test_a_list_costs_the_same_for_many(
    annotator_api: Program, django_assert_num_queries: Any, path: str, queries: int
) -> None:
    draft = make_map({label: "OFF" for label in labels(6)})
    address = path % draft.pk if "%" in path else path
    annotator_api.ask(address)
    with django_assert_num_queries(queries):
        assert rows(annotator_api.ask(address))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_is_told() -> None:
    (label,) = labels(1)
    make_map()
    programs = [Program(make_user(f"person {number}")) for number in range(2)]
    start, answers = threading.Barrier(2), []

    def decide(program: Program, category: str) -> None:
        start.wait(10)
        answers.append(assign(program, category, (label.pk, 0)).status_code)
        connection.close()

    threads = [threading.Thread(target=decide, args=pair) for pair in zip(programs, ("OFF", "UB"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [200, 409]
    assert MapEntry.objects.get(label=label, merge_map__state=MergeMap.State.DRAFT).revision == 1
