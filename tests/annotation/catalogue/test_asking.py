"""What a catalogue answers is what SQL answers, for filters drawn by chance."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from django.db.models import Q

from annotation.catalogue import held
from annotation.catalogue.asking import barred, chosen_ids, counts, derived, fitting, scored
from annotation.catalogue.wanted import FACETS, NONE, NUMBERS, Wanted
from annotation.models import Corpus, IntentLabel, MapEntry, MergeMap, Prompt, PromptIntent
from annotation.pages.prompts import scores_of
from annotation.text import folded
from tests.annotation.catalogue.material import CODES, WORDS, make_material
from tests.factories import make_corpus, make_prompt

pytestmark = pytest.mark.django_db
FIELDS = {"corpus": "corpus_id", "attack": "attack_type"}


@pytest.fixture
def published(db: None) -> MergeMap:
    return make_material()


def values_of(facet: str, merge_map: MergeMap) -> dict[str, set[int]]:
    """Value → ids of the prompts that have it, read without the catalogue."""
    if facet == "label":
        return {str(one.pk): linked([one.pk]) for one in IntentLabel.objects.all()}
    if facet == "category":
        found = {code: linked(labels_of(code, merge_map)) for code in CODES}
        rest = set(Prompt.objects.values_list("id", flat=True)).difference(*found.values())
        return {**found, NONE: rest}
    if facet == "responses":
        answered = set(Prompt.objects.filter(responses__isnull=False).values_list("id", flat=True))
        return {"yes": answered, "no": set(Prompt.objects.exclude(pk__in=answered).values_list("id", flat=True))}
    field = FIELDS.get(facet, facet)
    values = Prompt.objects.values_list(field, flat=True).distinct()
    return {str(one): set(Prompt.objects.filter(**{field: one}).values_list("id", flat=True)) for one in values}


def labels_of(code: str, merge_map: MergeMap) -> list[int]:
    return list(MapEntry.objects.filter(merge_map=merge_map, category__code=code).values_list("label", flat=True))


def linked(labels: list[int]) -> set[int]:
    return set(PromptIntent.objects.filter(label__in=labels).values_list("prompt", flat=True))


def number_of(name: str) -> dict[int, float]:
    """Prompt id → its number, as the page of a prompt shows it."""
    ids = list(Prompt.objects.values_list("id", flat=True))
    shown = {pk: one for pk, one in scores_of(ids).items()}
    column = {"perplexity": "nats"}.get(name, name)
    return {pk: getattr(one, column) for pk, one in shown.items() if getattr(one, column) is not None}


def in_text(word: str) -> set[int]:
    return {pk for pk, text in Prompt.objects.values_list("id", "text") if folded(word) in folded(text)}


def drawn(random: Random, merge_map: MergeMap, values: dict[str, dict[str, set[int]]]) -> Wanted:
    chosen = {
        facet: tuple(random.sample(sorted(values[facet]), min(len(values[facet]), random.randint(1, 2))))
        for facet in random.sample(FACETS, random.randint(0, 3))
    }
    ranges = {name: (0.2, 0.7) for name in random.sample(NUMBERS, random.randint(0, 1))}
    word = random.choice(("", *WORDS))
    return Wanted(text=folded(word), typed=word, merge_map=merge_map.pk, chosen=chosen, ranges=ranges)


def expected(wanted: Wanted, values: Any, numbers: Any, without: str = "") -> set[int]:
    found = set(Prompt.objects.values_list("id", flat=True))
    if wanted.text:
        found &= in_text(wanted.typed)
    for facet, chosen in wanted.chosen.items():
        if facet != without:
            found &= set().union(*(values[facet][one] for one in chosen))
    for name, (least, most) in wanted.ranges.items():
        found &= {pk for pk, value in numbers[name].items() if least <= value <= most}
    return found


def test_totals_and_counts_equal_those_of_sql_for_a_hundred_combinations(published: MergeMap) -> None:
    random, catalogue = Random(5), held.current()
    values = {facet: values_of(facet, published) for facet in FACETS}
    numbers = {name: number_of(name) for name in NUMBERS}
    for _ in range(100):
        wanted = drawn(random, published, values)
        assert set(chosen_ids(catalogue, wanted).tolist()) == expected(wanted, values, numbers), wanted
        facet = random.choice(FACETS)
        fits = expected(wanted, values, numbers, without=facet)
        by_sql = {value: len(ids & fits) for value, ids in values[facet].items() if ids & fits}
        assert counts(catalogue, wanted, facet) == by_sql, (facet, wanted)


@pytest.mark.parametrize("word", [*WORDS, "学習", "abc", "ａ", "🌊一", "a", "河流一", "nowhere", "\\", "'"])
def test_a_search_finds_what_like_finds(published: MergeMap, word: str) -> None:
    Prompt.objects.bulk_update(
        [Prompt(pk=pk, folded=folded(text)) for pk, text in Prompt.objects.values_list("id", "text")], ["folded"]
    )
    like = Prompt.objects.filter(folded__contains=folded(word)).values_list("id", flat=True)
    assert set(chosen_ids(held.current(), Wanted(text=folded(word))).tolist()) == set(like)


def test_a_search_within_responses_adds_the_prompts_whose_responses_hold_the_text(published: MergeMap) -> None:
    found = set(chosen_ids(held.current(), Wanted(text="answer 1", typed="answer 1", within=True)).tolist())
    assert found == set(Prompt.objects.filter(responses__text__contains="answer 1").values_list("id", flat=True))
    assert found


@pytest.mark.parametrize("sort", ["id", "-id", "length", "-length", *NUMBERS, *(f"-{name}" for name in NUMBERS)])
def test_every_order_is_whole_and_what_has_no_number_comes_last(published: MergeMap, sort: str) -> None:
    ids = chosen_ids(held.current(), Wanted(sort=sort)).tolist()
    assert sorted(ids) == list(Prompt.objects.order_by("id").values_list("id", flat=True))
    name = sort.removeprefix("-")
    sizes = {pk: len(text) for pk, text in Prompt.objects.values_list("id", "text")}
    numbers = {pk: pk for pk in ids} if name == "id" else sizes if name == "length" else number_of(name)
    given = [numbers[pk] for pk in ids if pk in numbers]
    assert given == sorted(given, reverse=sort.startswith("-"))
    assert [pk in numbers for pk in ids] == [True] * len(given) + [False] * (len(ids) - len(given))


def test_the_number_of_scored_prompts_comes_with_the_smallest_and_the_largest(published: MergeMap) -> None:
    numbers = number_of("instruction_safety")
    assert scored(held.current(), Wanted(), "instruction_safety") == (
        len(numbers),
        min(numbers.values()),
        max(numbers.values()),
    )


def test_what_was_generated_from_a_corpus_not_for_export_is_barred_at_every_remove(db: None) -> None:
    closed, free = make_corpus("Closed", exportable=False), make_corpus("Free")
    source, other = make_prompt("source", closed), make_prompt("other", free)
    child = make_prompt("child", free, origin="generated", parents=[source.pk, other.pk])
    grandchild = make_prompt("grandchild", free, origin="generated", parents=[child.pk])
    make_prompt("unrelated", free, origin="generated", parents=[other.pk, 10**9])
    catalogue = held.current()
    assert catalogue.ids[barred(catalogue)].tolist() == [source.pk, child.pk, grandchild.pk]
    assert catalogue.children_of(source.pk) == [child.pk]
    assert derived(catalogue, {Corpus.objects.get(name="Free").pk}).sum() == 4


def test_an_empty_installation_has_an_empty_catalogue(db: None) -> None:
    catalogue = held.current()
    assert fitting(catalogue, Wanted(text="a", chosen={"label": ("3",), "corpus": ("1",)})).tolist() == []
    assert [counts(catalogue, Wanted(), facet) for facet in FACETS] == [{}] * len(FACETS)
    assert scored(catalogue, Wanted(), "perplexity") == (0, 0.0, 0.0)
    assert Prompt.objects.filter(Q()).count() == 0
