from __future__ import annotations

import pytest
from django.utils import timezone

from annotation.label_counts import combine
from annotation.label_use import label_use, links_state
from annotation.models import PromptIntent
from annotation.versions import data_changed
from madsafe_web.core.models import Run
from tests.factories import make_label, make_prompts, make_run
from tests.helpers.queries import query_count

USE = combine([(1, 10), (1, 11), (2, 10), (3, 10), (3, 11), (3, 11), (4, 12)])


def test_links_may_come_in_any_order() -> None:
    use = combine([(3, 11), (1, 10), (4, 12), (2, 10), (3, 10), (1, 11)])
    assert (use.counts, use.prompts_by({10: "A", 11: "A"})) == (USE.counts, {"A": 3})


def test_a_label_counts_each_prompt_once() -> None:
    assert USE.counts == {10: 3, 11: 2, 12: 1}
    assert USE.prompts == 4


def test_a_prompt_is_within_labels_that_hold_all_of_its_own() -> None:
    assert [USE.prompts_within(labels) for labels in ([], [10], [10, 11], [10, 11, 12])] == [0, 1, 3, 4]


def test_a_prompt_counts_once_in_each_group_of_its_labels() -> None:
    assert USE.prompts_by({10: "A", 11: "A", 12: "B"}) == {"A": 3, "B": 1}
    assert USE.prompts_by({10: "A", 11: "B"}) == {"A": 3, "B": 2}


def test_neighbours_come_by_the_number_of_shared_prompts() -> None:
    use = combine([(1, 1), (1, 2), (2, 1), (2, 3), (3, 1), (3, 3)])
    assert use.together(1, 5) == [3, 2]
    assert use.together(1, 1) == [3]
    assert (use.alone(1), USE.alone(10)) == (0, 1)


def test_prompts_with_any_of_some_labels_count_once() -> None:
    assert [USE.prompts_with(labels) for labels in ([], [11], [10, 11], [11, 12])] == [0, 2, 3, 3]


def test_without_links_every_count_is_none() -> None:
    empty = combine([])
    counts = empty.prompts, empty.prompts_within([1]), empty.prompts_with([1]), empty.alone(1)
    assert (counts, empty.counts, empty.together(1, 3), empty.prompts_by({1: "A"})) == ((0, 0, 0, 0), {}, [], {})


@pytest.mark.django_db
def test_only_the_links_of_the_named_runs_count() -> None:
    first, second = make_run("label"), make_run("label")
    prompts = make_prompts(3)
    one, other = make_label("a", prompts[:2], first), make_label("b", prompts[2:], second)
    uses = [label_use(runs).counts for runs in (None, [first.pk], [second.pk], [])]
    assert uses == [{one.pk: 2, other.pk: 1}, {one.pk: 2}, {other.pk: 1}, {}]


@pytest.mark.django_db
def test_links_that_came_since_are_counted() -> None:
    prompts = make_prompts(2)
    label = make_label("a", prompts[:1])
    assert label_use().counts == {label.pk: 1}
    make_label("a", prompts[1:])
    assert label_use().counts == {label.pk: 2}


@pytest.mark.django_db
def test_links_are_not_counted_again_without_a_sign_of_others() -> None:
    make_label("a", make_prompts(2))
    assert [query_count(links_state) for _ in range(3)] == [2, 1, 1]


@pytest.mark.django_db
def test_a_removal_of_links_is_seen() -> None:
    prompts = make_prompts(3)
    label = make_label("a", prompts)
    assert label_use().counts == {label.pk: 3}
    PromptIntent.objects.filter(prompt=prompts[0]).delete()
    data_changed()
    assert label_use().counts == {label.pk: 2}


@pytest.mark.django_db
def test_what_a_run_committed_late_under_a_lower_id_is_seen_when_it_ends() -> None:
    run = make_run(state=Run.State.RUNNING)
    late, early = make_prompts(2)
    label = make_label("a")
    PromptIntent.objects.create(pk=9_000_002, prompt=early, label=label, run=run, position=0)
    assert label_use().counts == {label.pk: 1}
    PromptIntent.objects.create(pk=9_000_001, prompt=late, label=label, run=run, position=0)
    Run.objects.filter(pk=run.pk).update(state=Run.State.DONE, finished=timezone.now())
    assert label_use().counts == {label.pk: 2}
