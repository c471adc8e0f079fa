"""Stage `propose`: what it keeps, and when it looks again."""

from __future__ import annotations

import pytest

from annotation import proposing
from annotation.models import Corpus, LabelPair, LabelPlace
from annotation.proposing import proposals_stale
from madsafe_web.core.models import Run, RunEvent
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
from tests.factories import make_label, make_prompts

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("privacy violation", "violation of privacy", "Gambling", "weather")


def proposed(by: str = "prompts") -> Run:
    run = service.run_create(stage_name="propose", values={"by": by})
    service.run_start(run)
    return work_on(run.pk)


def labelled() -> dict[str, int]:
    prompts = make_prompts(8)
    return {name: make_label(name, prompts[2 * at : 2 * at + 2]).pk for at, name in enumerate(NAMES)}


def test_labels_of_one_name_are_paired_and_every_label_has_its_place() -> None:
    ids = labelled()
    run = proposed()
    pairs = set(LabelPair.objects.filter(run=run, letter="A").values_list("first", "second"))
    assert (run.state, pairs) == ("done", {(ids["privacy violation"], ids["violation of privacy"])})
    assert sorted(LabelPlace.objects.filter(run=run).values_list("place", flat=True)) == [0, 1, 2, 3]


def test_examples_are_prompts_of_their_label() -> None:
    labelled()
    run = proposed()
    for place in LabelPlace.objects.filter(run=run).select_related("label"):
        assert set(place.examples) == set(place.label.intents.values_list("prompt", flat=True))


def test_the_result_is_kept_until_links_come() -> None:
    labelled()
    first, second = proposed(), proposed()
    assert (second.outputs["kept_in"], LabelPair.objects.exclude(run=first).count()) == (first.pk, 0)
    make_label("rumours", make_prompts(1, Corpus.objects.get()))
    assert proposals_stale() == 1
    third = proposed()
    assert ("kept_in" in third.outputs, proposals_stale()) == (False, 0)
    assert set(LabelPlace.objects.values_list("run", flat=True)) == {third.pk}


@pytest.mark.parametrize("by", ["names", "prompts"])
def test_labels_that_no_prompt_carries_are_compared_too(by: str) -> None:
    ids = [make_label(name).pk for name in NAMES]
    run = proposed(by)
    assert set(LabelPair.objects.filter(letter="A").values_list("first", "second")) == {(ids[0], ids[1])}
    assert (run.state, proposals_stale()) == ("done", 0)


def test_of_too_many_labels_those_on_the_most_prompts_are_compared_and_all_by_their_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proposing, "COMPARED", 2)
    counts = {"privacy violation": 3, "violation of privacy": 2, "Drug-Making": 1, "drug making": 0, "privacy leak": 0}
    for name, number in counts.items():
        make_label(name, make_prompts(number, Corpus.objects.first()) if number else ())
    run = proposed("names")
    rows = LabelPair.objects.filter(run=run).values_list("first__name", "second__name", "letter")
    pairs = {(first, second) for first, second, _letter in rows}
    assert pairs == {("privacy violation", "violation of privacy"), ("Drug-Making", "drug making")}
    assert {letter for first, _second, letter in rows if first == "Drug-Making"} == {"A"}
    assert LabelPlace.objects.filter(run=run).count() == len(counts)
    said = "Of 5 labels the 2 on most prompts are compared, the others by equal keys alone."
    assert RunEvent.objects.filter(run=run, text=said).exists()
    assert proposals_stale() == 0


def test_the_result_is_kept_until_labels_come() -> None:
    labelled()
    proposed()
    make_label("rumours")
    assert proposals_stale() == 1
    assert "kept_in" not in proposed().outputs


def test_a_new_try_replaces_what_a_killed_one_left() -> None:
    ids = labelled()
    run = service.run_create(stage_name="propose", values={"by": "names"})
    service.run_start(run)
    LabelPair.objects.create(
        run=run, first_id=ids["Gambling"], second_id=ids["weather"], letter="A", kind="left", weight=1.0
    )
    work_on(run.pk)
    assert not LabelPair.objects.filter(kind="left").exists()


def test_without_labels_the_run_fails_with_what_to_do() -> None:
    run = proposed()
    assert (run.state, "Run the stage 'label' first" in run.error) == ("failed", True)
