"""Merge maps over the API: what differs between two, a map as a file, and one taken into the draft."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from annotation import label_use
from annotation.models import IntentLabel, LabelOperation, MapEntry, MergeMap
from tests.api.calls import Program, fields, problem, verbs
from tests.factories import make_label, make_map, make_prompts

NAMES = ("fraud", "theft", "spam")


@pytest.fixture
def labels(db: None) -> dict[str, IntentLabel]:
    label_use.forget()
    prompts = make_prompts(2)
    return {name: make_label(name, prompts) for name in NAMES}


@pytest.fixture
def draft(labels: dict[str, IntentLabel]) -> MergeMap:
    """A draft in which "fraud" moved since the published map 1 and "theft" was dropped."""
    make_map({labels["fraud"]: "CIA", labels["theft"]: "OFF"}, published=True)
    return make_map({labels["fraud"]: "PP", labels["theft"]: "DROP"})


def sent(program: Program, content: bytes, name: str = "a map.csv") -> Any:
    return program.post("/api/v1/merge-maps/import/", {"file": SimpleUploadedFile(name, content)})


def targets() -> dict[str, str]:
    rows = MapEntry.objects.filter(merge_map__state="draft").values_list("label__name", "category__code", "dropped")
    return {name: "DROP" if dropped else code or "" for name, code, dropped in rows}


def test_a_map_is_compared_with_the_one_it_was_copied_from(annotator_api: Program, draft: MergeMap) -> None:
    told = annotator_api.ask(f"merge-maps/{draft.pk}/diff/").json()
    assert (told["old_version"], told["new_version"], told["labels"], told["prompts"]) == (1, 2, 2, 2)
    assert {kind: n for kind, n in told["counts"].items() if n} == {"moved": 1, "dropped": 1}
    assert [(one["name"], one["before"], one["after"]) for one in told["results"]] == [
        ("theft", "OFF", "DROP"),
        ("fraud", "CIA", "PP"),
    ]


def test_a_map_is_compared_with_none_and_in_pages(annotator_api: Program, draft: MergeMap) -> None:
    first = annotator_api.ask(f"merge-maps/{draft.pk}/diff/", against=0, limit=2).json()
    second = annotator_api.get(first["next"]).json()
    assert {one["kind"] for one in (*first["results"], *second["results"])} == {"new"}
    assert (first["labels"], len(first["results"]), len(second["results"]), second["next"]) == (3, 2, 1, None)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_map_as_a_file_says_what_it_says_taken_in_again(lead_api: Program, draft: MergeMap, kind: str) -> None:
    answer = lead_api.get(f"/api/v1/merge-maps/{draft.pk}/files/{kind}/")
    content = b"".join(answer)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="map-{draft}.{kind}"'
    assert verbs().count("map.export") == 1
    before = targets()
    lead_api.send("labels/assign/", {"labels": [{"id": label_of("spam"), "revision": 0}], "category": "EM"})
    taken = sent(lead_api, content, f"a map.{kind}").json()
    assert (taken["read"], taken["changed"], taken["rejected"]) == (3, 1, 0)
    assert targets() == before


def label_of(name: str) -> int:
    return IntentLabel.objects.get(name=name).pk


def test_bad_rows_are_told_with_file_row_and_field_and_the_others_are_taken(
    lead_api: Program, labels: dict[str, IntentLabel]
) -> None:
    taken = sent(lead_api, b"label,category\nfraud,CIA\nnosuch,CIA\ntheft,XX\n,OFF\n").json()
    assert (taken["read"], taken["changed"], taken["rejected"]) == (4, 1, 3)
    assert [(one["file"], one["row"], one["field"]) for one in taken["rejected_rows"]] == [
        ("a_map.csv", 2, "label"),
        ("a_map.csv", 3, "category"),
        ("a_map.csv", 4, "label"),
    ]
    assert targets() == {"fraud": "CIA", "theft": "", "spam": ""}


def test_rows_are_taken_as_json_in_one_step_that_is_undone(lead_api: Program, labels: dict[str, IntentLabel]) -> None:
    rows = [{"label": "fraud", "category": "CIA", "theme": "a name"}, {"label": "theft", "category": "DROP"}, 5]
    taken = lead_api.send("merge-maps/import/", {"entries": rows}).json()
    assert (taken["changed"], taken["rejected"], taken["step"]) == (2, 1, LabelOperation.objects.get().pk)
    lead_api.send("labels/undo/")
    assert set(targets().values()) == {""}


def test_a_file_sent_twice_with_one_key_is_one_step(lead_api: Program, labels: dict[str, IntentLabel]) -> None:
    body = {"entries": [{"label": "fraud", "category": "CIA"}]}
    first, second = (lead_api.send("merge-maps/import/", body, key="once").json() for _ in range(2))
    assert first == second
    assert LabelOperation.objects.count() == 1


def test_what_is_no_map_is_refused(lead_api: Program, labels: dict[str, IntentLabel]) -> None:
    assert fields(sent(lead_api, b'{"entries": [1')) == {"file"}
    assert fields(lead_api.post("/api/v1/merge-maps/import/", {})) == {"file"}
    assert fields(lead_api.send("merge-maps/import/", {"entries": []})) == {"entries"}
    assert fields(lead_api.send("merge-maps/import/", {"rows": []})) == {"rows"}


def test_a_file_that_is_too_large_is_refused(lead_api: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotation.api.map_files.LARGEST_FILE", 10)
    problem(sent(lead_api, b"label,category\n"), 413)


def test_only_leads_take_maps_in_and_out(annotator_api: Program, draft: MergeMap) -> None:
    problem(sent(annotator_api, b"label,category\nfraud,CIA\n"), 403)
    problem(annotator_api.ask(f"merge-maps/{draft.pk}/files/csv/"), 403)


def test_a_text_that_no_database_stores_is_a_bad_row(lead_api: Program, labels: dict[str, IntentLabel]) -> None:
    taken = sent(lead_api, b"label,category,theme\nfraud,CIA,a\x00b\ntheft,OFF,a name\n").json()
    assert (taken["changed"], taken["rejected"]) == (1, 1)


def test_a_map_differs_from_itself_in_nothing(annotator_api: Program, draft: MergeMap) -> None:
    assert annotator_api.ask(f"merge-maps/{draft.pk}/diff/", against=draft.pk).json()["labels"] == 0


def test_the_diff_costs_the_same_for_many(
    annotator_api: Program, draft: MergeMap, django_assert_num_queries: Any
) -> None:
    annotator_api.ask(f"merge-maps/{draft.pk}/diff/")
    with django_assert_num_queries(7):
        annotator_api.ask(f"merge-maps/{draft.pk}/diff/", against=0)
