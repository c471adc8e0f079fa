"""Maps as files: what is written is read again, a file is one step that Undo takes back, and what differs is told."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from annotation.merge.blind import policy_set
from annotation.merge.deciding import labels_decide, labels_theme, step_undo
from annotation.merge.diffs import map_diff
from annotation.merge.exports import map_export
from annotation.merge.imports import file_rows, map_apply, map_import
from annotation.merge.states import Decision
from annotation.models import IntentLabel, MapEntry, MergeMap
from annotation.selectors import map_draft
from madsafe_web.core.models import AuditEvent, User
from tests.factories import make_label, make_map, make_prompts, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user() -> User:
    return make_user("lead", User.Role.LEAD)


@pytest.fixture
def labels() -> list[IntentLabel]:
    """Three labels; the first on three prompts, the second on two of them, the third on one."""
    prompts = make_prompts(3)
    return [make_label(name, prompts[: 3 - place]) for place, name in enumerate(("one", "=two", "three"))]


def exported(merge_map: MergeMap, kind: str) -> str:
    return b"".join(map_export(user=None, merge_map=merge_map, kind=kind)).decode()


def targets(merge_map: MergeMap | None) -> dict[str, str]:
    rows = MapEntry.objects.filter(merge_map=merge_map).values_list("label__name", "category__code", "dropped")
    return {name: "DROP" if dropped else code or "" for name, code, dropped in rows}


def decide(user: User, label: IntentLabel, target: str) -> None:
    draft = map_draft()
    revision = draft.entries.get(label=label).revision if draft else 0
    labels_decide(user=user, seen={label.pk: revision}, decision=Decision(target), confidence={label.pk: 0.75})


def test_a_file_says_who_decided_when_and_how_sure_the_suggestion_was(user: User, labels: list[IntentLabel]) -> None:
    draft = make_map()
    decide(user, labels[0], "CIA")
    entry = next(one for one in json.loads(exported(draft, "json"))["entries"] if one["label"] == "one")
    assert entry["when"]
    assert {name: entry[name] for name in ("key", "category", "theme", "confidence", "by", "who")} == {
        "key": "one",
        "category": "CIA",
        "theme": "",
        "confidence": 0.75,
        "by": "person",
        "who": "lead",
    }


def test_a_decision_of_an_older_version_keeps_its_person(user: User, labels: list[IntentLabel]) -> None:
    make_map()
    decide(user, labels[0], "CIA")
    make_map(published=True)
    rows = json.loads(exported(make_map({labels[1]: "PP"}, published=True), "json"))["entries"]
    assert {row["label"]: row["who"] for row in rows} == {"one": "lead", "=two": None, "three": None}


def test_a_table_names_its_version_in_each_row(labels: list[IntentLabel]) -> None:
    merge_map = make_map({labels[0]: "CIA"}, published=True)
    rows = list(csv.DictReader(io.StringIO(exported(merge_map, "csv"))))
    assert {(row["version"], row["sha256"], row["taxonomy"]) for row in rows} == {("1", merge_map.sha256, "1")}
    assert rows[0]["runs"] == str(merge_map.runs[0])


def test_a_table_holds_no_formula(labels: list[IntentLabel]) -> None:
    assert "\r\n'=two,'=two," in exported(make_map(), "csv")


def test_an_export_is_an_event(labels: list[IntentLabel]) -> None:
    exported(make_map(), "csv")
    assert AuditEvent.objects.filter(verb="map.export").count() == 1


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_what_was_written_is_read_again(kind: str, user: User, labels: list[IntentLabel], tmp_path: Path) -> None:
    merge_map = make_map({labels[0]: "CIA", labels[1]: "DROP"})
    labels_theme(user=user, seen={labels[0].pk: merge_map.entries.get(label=labels[0]).revision}, theme="a name")
    path, before = tmp_path / f"map.{kind}", targets(merge_map)
    path.write_text(exported(merge_map, kind), encoding="utf-8", newline="")
    step_undo(user=user, draft=merge_map)
    for label in labels:
        decide(user, label, "PP")
    taken = map_import(user=user, rows=file_rows(path), name="a file")
    assert (targets(merge_map), taken.read, taken.changed, taken.refused) == (before, 3, 3, ())
    assert merge_map.entries.get(label=labels[0]).theme == "a name"


def test_a_file_is_one_step_that_undo_takes_back(user: User, labels: list[IntentLabel], tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"label": "one", "category": "CIA"}, {"label": "three", "category": "PP"}])
    assert map_import(user=user, rows=file_rows(path), name="a file").changed == 2
    draft = map_draft()
    assert draft
    step_undo(user=user, draft=draft)
    assert set(targets(draft).values()) == {""}


def test_a_bad_row_is_named_and_the_others_go_on(user: User, labels: list[IntentLabel], tmp_path: Path) -> None:
    rows: list[Any] = [
        {"label": "one", "category": "CIA"},
        {"label": "unknown", "category": "CIA"},
        {"label": "three", "category": "XX"},
        {"label": "ONE", "category": "PP"},
        {"category": "PP"},
        {"label": "three"},
        {"label": "three", "category": "PP", "theme": "x" * 61},
        {"label": 5, "category": "PP"},
    ]
    taken = map_import(user=user, rows=file_rows(file_of(tmp_path, rows)), name="a file")
    assert targets(map_draft()) == {"one": "CIA", "=two": "", "three": ""}
    assert [(one.row, one.field) for one in taken.refused] == [
        (2, "label"),
        (3, "category"),
        (4, "label"),
        (5, "label"),
        (6, "category"),
        (7, "theme"),
        (8, "label"),
    ]


def file_of(folder: Path, rows: list[Any]) -> Path:
    path = folder / "map.json"
    path.write_text(json.dumps({"version": 1, "runs": [1], "entries": rows}), encoding="utf-8")
    return path


def test_a_version_decides_new_labels_by_rule_and_no_others(user: User, labels: list[IntentLabel]) -> None:
    published = make_map({labels[0]: "CIA", labels[1]: "DROP"}, published=True)
    decide(user, labels[0], "PP")
    decide(user, labels[1], "")
    assert map_apply(user=None, source=published).changed == 1
    draft = map_draft()
    assert targets(draft) == {"one": "PP", "=two": "DROP", "three": ""}
    assert MapEntry.objects.get(merge_map=draft, label=labels[1]).decided_by == "rule"


def test_a_diff_tells_what_became_of_each_label(user: User, labels: list[IntentLabel]) -> None:
    first = make_map({labels[0]: "CIA", labels[1]: "PP"}, published=True)
    new = make_label("four", [labels[2].intents.get().prompt])
    second = make_map({labels[0]: "PP", labels[1]: "DROP", labels[2]: "OFF", new: "CIA"})
    found = map_diff(first, second)
    assert [(row.name, row.kind, row.before, row.after, row.prompts) for row in found.rows] == [
        ("one", "moved", "CIA", "PP", 3),
        ("=two", "dropped", "PP", "DROP", 2),
        ("three", "decided", "", "OFF", 1),
        ("four", "new", "", "CIA", 1),
    ]
    assert (found.prompts, found.counts) == (3, {"new": 1, "decided": 1, "moved": 1, "dropped": 1})


def test_a_version_does_not_differ_from_itself(labels: list[IntentLabel]) -> None:
    merge_map = make_map({labels[0]: "CIA"}, published=True)
    assert map_diff(merge_map, merge_map).rows == []


def test_the_command_writes_and_reads_a_map(
    labels: list[IntentLabel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_map({labels[0]: "CIA"}, published=True)
    path = tmp_path / "map.csv"
    call_command("merge_map", "export", "1", "--out", str(path), "--json")
    assert json.loads(capsys.readouterr().out)["labels"] == 3
    call_command("merge_map", "import", str(path), "--json")
    assert json.loads(capsys.readouterr().out) == {"read": 3, "changed": 0, "refused": []}


def test_the_command_tells_a_diff_in_json(labels: list[IntentLabel], capsys: pytest.CaptureFixture[str]) -> None:
    make_map({labels[0]: "CIA"}, published=True)
    call_command("merge_map", "diff", "0", "1", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["from"], told["to"], told["counts"]["new"], told["prompts"]) == (None, 1, 3, 3)


def test_the_command_applies_a_version(labels: list[IntentLabel], capsys: pytest.CaptureFixture[str]) -> None:
    make_map({labels[0]: "CIA"}, published=True)
    call_command("merge_map", "apply", "1", "--json")
    assert json.loads(capsys.readouterr().out)["changed"] == 0


def test_the_command_names_the_versions_that_there_are(
    labels: list[IntentLabel], capsys: pytest.CaptureFixture[str]
) -> None:
    make_map(published=True)
    with pytest.raises(SystemExit) as ended:
        call_command("merge_map", "export", "7")
    assert ended.value.code == 2
    assert "There are: 1." in capsys.readouterr().err


def answered_blindly(label: IntentLabel, person: User) -> None:
    """A label about which this person gave the first of two answers."""
    policy_set(user=person, two_people=True, prompts_from=0, confidence_below=0.0)
    make_map()
    decide(person, label, "EM")


def said_of(label: IntentLabel) -> tuple[str | None, str]:
    return MapEntry.objects.values_list("category__code", "second").get(label=label)


def test_a_file_applied_leaves_what_waits_for_a_second_person(
    user: User, labels: list[IntentLabel], tmp_path: Path
) -> None:
    answered_blindly(labels[0], make_user("first"))
    file = tmp_path / "map.csv"
    file.write_text("label,category\none,CIA\nthree,NS\n")
    assert map_apply(user=user, source=file).changed == 1
    assert said_of(labels[0]) == (None, "waiting")
    decide(make_user("second"), labels[0], "EM")
    assert said_of(labels[0]) == ("EM", "")


def test_a_label_that_a_file_decides_waits_for_nobody(user: User, labels: list[IntentLabel], tmp_path: Path) -> None:
    answered_blindly(labels[0], make_user("first"))
    file = tmp_path / "map.csv"
    file.write_text("label,category\none,CIA\n")
    map_import(user=user, rows=file_rows(file), name=file.name)
    assert said_of(labels[0]) == ("CIA", "")
    step_undo(user=user, draft=MergeMap.objects.get())
    assert said_of(labels[0]) == (None, "waiting")
