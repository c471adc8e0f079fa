"""Names, flags, refusals and comments over the API; what waits for a lead; the merge history."""

from __future__ import annotations

from typing import Any

from annotation import label_use
from annotation.merge.blind import policy_set
from annotation.models import LabelComment, LabelOperation, MapEntry, RefusedPair
from tests.api.calls import Program, fields, problem, rows
from tests.factories import make_label, make_prompts, make_run


def labels(count: int) -> list[int]:
    label_use.forget()
    prompts, run = make_prompts(1), make_run()
    return [make_label(f"label {number}", prompts, run).pk for number in range(count)]


def seen(*labels: int, revision: int = 0) -> list[dict[str, int]]:
    return [{"id": pk, "revision": revision} for pk in labels]


def assign(program: Program, label: int, category: str, revision: int = 0) -> Any:
    return program.send("labels/assign/", {"labels": seen(label, revision=revision), "category": category})


def test_labels_get_a_common_name(annotator_api: Program) -> None:
    first, second = labels(2)
    annotator_api.send("labels/theme/", {"labels": seen(first, second), "theme": "a name"})
    assert list(MapEntry.objects.values_list("theme", flat=True)) == ["a name"] * 2


def test_a_name_on_what_somebody_changed_is_a_conflict(annotator_api: Program, lead_api: Program) -> None:
    (label,) = labels(1)
    assign(lead_api, label, "OFF")
    told = problem(annotator_api.send("labels/theme/", {"labels": seen(label), "theme": "a name"}), 409)
    assert told["current"][0]["target"] == "OFF"


def test_a_label_is_flagged(annotator_api: Program) -> None:
    (label,) = labels(1)
    annotator_api.send("labels/flag/", {"labels": seen(label), "flagged": True})
    (waiting,) = rows(annotator_api.ask("labels/conflicts/"))
    assert (waiting["id"], waiting["flagged"], waiting["disagreed"]) == (label, True, False)


def test_labels_are_kept_apart(annotator_api: Program) -> None:
    first, second, third = labels(3)
    answer = annotator_api.send("labels/refuse/", {"together": [first], "apart": [second, third]})
    assert (answer.status_code, RefusedPair.objects.count()) == (200, 2)


def test_one_label_alone_is_not_kept_apart(annotator_api: Program) -> None:
    (label,) = labels(1)
    assert fields(annotator_api.send("labels/refuse/", {"together": [label]})) == {"together"}


def test_a_comment_sent_twice_with_one_key_is_one(annotator_api: Program) -> None:
    (label,) = labels(1)
    for _ in range(2):
        annotator_api.send("labels/comment/", {"label": label, "text": "a note"}, key="once")
    assert LabelComment.objects.get().text == "a note"


def test_a_disagreement_shows_both_answers_to_leads_alone(annotator_api: Program, lead_api: Program) -> None:
    (label,) = labels(1)
    policy_set(user=lead_api.user, two_people=True, prompts_from=1, confidence_below=0.0)
    assign(annotator_api, label, "OFF")
    assign(lead_api, label, "CIA")
    for program, answers in ((annotator_api, ["OFF"]), (lead_api, ["OFF", "CIA"])):
        (waiting,) = rows(program.ask("labels/conflicts/"))
        assert [one["text"] for one in waiting["answers"]] == answers


def test_the_history_keeps_undone_steps(annotator_api: Program) -> None:
    (label,) = labels(1)
    assign(annotator_api, label, "OFF")
    annotator_api.send("labels/undo/")
    (step,) = rows(annotator_api.ask("labels/history/"))
    assert (step["verb"], step["stands"], step["outcome"]) == ("assign", False, "OFF")


def test_the_history_is_filtered(annotator_api: Program, lead_api: Program) -> None:
    first, second = labels(2)
    assign(annotator_api, first, "OFF")
    lead_api.send("labels/flag/", {"labels": seen(second), "flagged": True})
    for query in ({"person": lead_api.user.username}, {"verb": "flag"}, {"label": second}):
        assert [step["verb"] for step in rows(annotator_api.ask("labels/history/", **query))] == ["flag"]


def test_a_blind_answer_beside_others_is_not_found_by_its_label(annotator_api: Program, lead_api: Program) -> None:
    first, second = labels(2)
    policy_set(user=lead_api.user, two_people=True, prompts_from=1, confidence_below=0.0)
    step = assign(annotator_api, first, "OFF")
    LabelOperation.objects.update(verb="assign")  # as if the label stood beside one that a person decides alone
    assert step.status_code == 200
    assert rows(lead_api.ask("labels/history/", label=first)) == []
    assert len(rows(annotator_api.ask("labels/history/", label=first))) == 1
