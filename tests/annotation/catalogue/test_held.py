"""A catalogue of an older data version gives way to a newer one, and the newer one is as if it had been read whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from annotation.catalogue import held, loading
from annotation.catalogue.asking import counts
from annotation.catalogue.index import Catalogue
from annotation.catalogue.wanted import Wanted
from annotation.models import Corpus, Prompt
from annotation.versions import data_changed
from madsafe_web.core.models import Chunk, Run, RunRow
from madsafe_web.core.runs import service
from madsafe_web.core.runs.retrying import run_retry
from tests.annotation.catalogue.material import make_material, make_prompts_mixed, make_things
from tests.factories import make_corpus, make_label, make_map, make_prompt, make_prompts, make_response, make_run
from tests.helpers.queries import query_count

pytestmark = pytest.mark.django_db


def told(catalogue: Catalogue) -> Any:
    """Everything that a catalogue says, without the order in which its values were met."""
    coded = {name: [one.values[code] for code in one.codes] for name, one in catalogue.coded.items()}
    numbers = {name: np.nan_to_num(column, nan=-1).tolist() for name, column in catalogue.numbers.items()}
    links = list(zip(catalogue.link_rows.tolist(), catalogue.labels[catalogue.link_labels].tolist(), strict=True))
    parents = list(zip(catalogue.parent_rows.tolist(), catalogue.parent_ids.tolist(), strict=True))
    return catalogue.ids.tolist(), coded, numbers, links, parents, catalogue.texts.units.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_added_to_a_catalogue_gives_the_same_as_reading_it_whole(db: None, seed: int) -> None:
    make_material(seed, 40)
    random, older = Random(seed), held.current()
    make_things(random, list(Prompt.objects.order_by("?")[:10]))
    fresh = make_prompts_mixed(random, Corpus.objects.first(), 20)
    make_prompt("made from it", fresh[0].corpus, origin="generated", parents=[fresh[0].pk])
    make_things(random, fresh)
    version = held.version_now()
    assert told(loading.load(version, older)) == told(loading.load(version))


def test_the_same_version_is_not_read_again(db: None) -> None:
    make_prompts(3)
    first = held.current()
    assert query_count(held.current) == 1
    assert held.current() is first


@pytest.mark.parametrize("again", [service.run_start, lambda run: run_retry(run=run, user=None)])
def test_a_run_that_is_queued_again_lets_no_older_catalogue_count(db: None, again: Callable[[Run], object]) -> None:
    older = held.version_now()
    run = make_run("label", Run.State.FAILED, finished=timezone.now(), total=1)
    Chunk.objects.create(run=run, seq=0, subjects=["1"], state=Chunk.State.DONE, read=1, failed=1)
    RunRow.objects.create(run=run, subject="1", outcome="error")
    assert again(run)
    newer = held.version_now()
    assert newer.runs == older.runs and not newer.only_adds_to(older._replace(working=0))


def test_a_new_prompt_a_new_label_and_a_new_response_are_seen(db: None) -> None:
    prompt = make_prompts(2)[0]
    assert counts(held.current(), Wanted(), "label") == {}
    label = make_label("new", [prompt])
    make_response(prompt)
    assert counts(held.current(), Wanted(), "label") == {str(label.pk): 1}
    assert counts(held.current(), Wanted(), "responses") == {"yes": 1, "no": 1}
    make_prompt("another", prompt.corpus)
    assert len(held.current().ids) == 3


def test_a_new_map_is_seen_without_a_new_version(db: None) -> None:
    label = make_label("one", make_prompts(2))
    first, catalogue = make_map({label: "OFF"}, published=True), held.current()
    assert counts(catalogue, Wanted(merge_map=first.pk), "category") == {"OFF": 2}
    second = make_map({label: "UB"}, published=True)
    assert held.current() is catalogue
    assert counts(catalogue, Wanted(merge_map=second.pk), "category") == {"UB": 2}
    assert counts(catalogue, Wanted(merge_map=first.pk), "category") == {"OFF": 2}


def test_a_change_of_state_that_was_counted_is_seen(db: None) -> None:
    prompt = make_prompts(2)[0]
    assert counts(held.current(), Wanted(), "state") == {"active": 2}
    Prompt.objects.filter(pk=prompt.pk).update(state="rejected")
    data_changed()
    assert counts(held.current(), Wanted(), "state") == {"active": 1, "rejected": 1}


def test_a_prompt_that_is_gone_is_gone_from_a_catalogue_that_was_counted_anew(db: None) -> None:
    prompt = make_prompts(2)[0]
    held.current()
    prompt.delete()
    data_changed()
    assert len(held.current().ids) == 1


def test_with_many_prompts_the_catalogue_at_hand_answers_while_a_newer_one_is_made(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_prompts(3)
    first, asked = held.current(), threading.Event()
    monkeypatch.setattr(held, "SMALL", 0)
    monkeypatch.setattr(held, "PAUSE_S", 0)
    monkeypatch.setattr(held, "_beside", lambda *steps: asked.set())
    make_prompts(2, make_corpus("Later"))
    assert held.current() is first
    assert asked.wait(5)
    assert held.newer_rows(first) == 2
    assert len(held.current(fresh=True).ids) == 5


def test_who_waited_with_an_older_version_gets_the_newer_catalogue_that_was_made_meanwhile(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_prompts(2)[0].corpus
    older, now = [held.version_now()], held.version_now
    make_prompts(1, corpus)
    newer = held.current()
    monkeypatch.setattr(held, "version_now", lambda: older.pop() if older else now())
    assert held.current(fresh=True) is newer
    assert held.current() is newer


def test_a_row_that_was_committed_after_one_with_a_higher_id_is_seen_once_a_run_ended(db: None) -> None:
    first, late, newest = make_prompts(3)
    Prompt.objects.filter(pk=late.pk).delete()
    assert held.current().ids.tolist() == [first.pk, newest.pk]
    late.save(force_insert=True)
    make_run("label", state="done", finished=timezone.now())
    assert held.current().ids.tolist() == [first.pk, late.pk, newest.pk]


def test_what_waits_for_this_moment_sees_rows_that_a_run_at_work_committed_late(db: None) -> None:
    first, late, newest = make_prompts(3)
    Prompt.objects.filter(pk=late.pk).delete()
    make_run("import", state="running")
    assert held.current().ids.tolist() == [first.pk, newest.pk]
    late.save(force_insert=True)
    assert held.current(fresh=True).ids.tolist() == [first.pk, late.pk, newest.pk]


def test_rows_that_a_run_committed_late_are_seen_once_it_is_paused(db: None) -> None:
    first, late, newest = make_prompts(3)
    Prompt.objects.filter(pk=late.pk).delete()
    run = make_run("import", state="running")
    assert held.current().ids.tolist() == [first.pk, newest.pk]
    late.save(force_insert=True)
    Run.objects.filter(pk=run.pk).update(state="paused")
    assert held.current().ids.tolist() == [first.pk, late.pk, newest.pk]
