"""Without a catalogue the database says what the catalogue would say, for filters drawn by chance."""

from __future__ import annotations

from random import Random

import pytest

from annotation.catalogue import asking, held, stored
from annotation.catalogue.wanted import FACETS, NONE, NUMBERS, Wanted
from annotation.models import IntentLabel, MergeMap, Prompt
from annotation.searching import rebuild
from annotation.text import folded
from tests.annotation.catalogue.material import CODES, WORDS, make_material
from tests.factories import make_corpus, make_prompt, make_response

pytestmark = pytest.mark.django_db
VALUES = {
    "category": [*CODES[:3], NONE],
    "language": ["zh", "en", "mixed"],
    "scenario": ["", "one"],
    "attack": ["", "role play"],
    "origin": ["imported", "generated"],
    "state": Prompt.State.values,
    "responses": ["yes", "no"],
}


@pytest.fixture
def published(db: None) -> MergeMap:
    found = make_material()
    texts = Prompt.objects.values_list("id", "text")
    Prompt.objects.bulk_update([Prompt(pk=pk, folded=folded(text)) for pk, text in texts], ["folded"])
    rebuild()
    return found


def drawn(random: Random, merge_map: MergeMap) -> Wanted:
    values = {**VALUES, "label": [str(pk) for pk in IntentLabel.objects.values_list("id", flat=True)]}
    values["corpus"] = [str(pk) for pk in Prompt.objects.values_list("corpus", flat=True).distinct()]
    chosen = {name: tuple(random.sample(values[name], 1)) for name in random.sample(FACETS, random.randint(0, 2))}
    ranges = {name: (0.2, random.choice([None, 0.7])) for name in random.sample(NUMBERS, random.randint(0, 1))}
    word = random.choice(("", *WORDS))
    within = bool(word) and random.random() < 0.3
    return Wanted(folded(word), word, within, merge_map.pk, chosen, ranges, random.choice(["id", "-id", "length"]))


def test_rows_and_counts_are_those_of_the_catalogue_for_sixty_combinations(published: MergeMap) -> None:
    random, catalogue = Random(3), held.current()
    for _ in range(60):
        wanted, facet, name = drawn(random, published), random.choice(FACETS), random.choice(NUMBERS)
        rows = stored.ordered(stored.fitting(Prompt.objects.all(), wanted), wanted.sort)
        ids = list(rows.values_list("id", flat=True))
        assert ids == asking.chosen_ids(catalogue, wanted).tolist(), wanted
        assert stored.counts(wanted, facet) == asking.counts(catalogue, wanted, facet), (facet, wanted)
        assert stored.scored(wanted, name) == asking.scored(catalogue, wanted, name), (name, wanted)


def test_an_order_by_a_score_is_the_newest_first(published: MergeMap) -> None:
    rows = stored.ordered(Prompt.objects.all(), "-perplexity")
    assert list(rows.values_list("id", flat=True)) == list(Prompt.objects.order_by("-id").values_list("id", flat=True))


def test_a_quote_is_searched_in_responses_as_it_is_written(db: None) -> None:
    prompt = make_prompt("about rivers")
    make_response(prompt, "it's 100% so")
    wanted = Wanted(text="it's 100%", typed="it's 100%", within=True)
    assert list(stored.fitting(Prompt.objects.all(), wanted)) == [prompt]


def test_what_was_generated_from_a_corpus_not_for_export_is_barred_at_every_remove(db: None) -> None:
    closed, free = make_corpus("Closed", exportable=False), make_corpus("Free")
    source, other = make_prompt("source", closed), make_prompt("other", free)
    child = make_prompt("child", free, origin="generated", parents=[source.pk, other.pk])
    grandchild = make_prompt("grandchild", free, origin="generated", parents=[child.pk])
    apart = make_prompt("unrelated", free, origin="generated", parents=[other.pk, 10**9])
    ids = [source.pk, other.pk, child.pk, grandchild.pk, apart.pk]
    assert stored.unbarred(ids) == asking.unbarred(held.current(), ids) == {other.pk, apart.pk}
    assert stored.children_of(source.pk) == [child.pk]
    assert stored.children_of(other.pk) == [child.pk, apart.pk]


def test_an_empty_installation_has_nothing_to_count(db: None) -> None:
    assert [stored.counts(Wanted(), facet) for facet in FACETS] == [{}] * len(FACETS)
    assert stored.scored(Wanted(), "perplexity") == (0, 0.0, 0.0)
