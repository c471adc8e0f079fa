"""How prompts spread over scenarios, labels, themes and categories: what the distributions page draws.

Links are read in one pass (450,000 in 0.9 s; counting them apart by SQL takes 5 s) and kept in the process until
prompts, their states or links change; what a map makes of them is counted anew when the map changes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from django.db.models import Count, Max

from annotation.label_use import links_state
from annotation.labelling import runs_unread
from annotation.models import IntentLabel, LabelOperation, MapEntry, MergeMap, Prompt, PromptIntent

if TYPE_CHECKING:
    from annotation.tallies import Ints, Links

SCANNED = 20_000  # rows read at once
Counts = Mapping[int, Mapping[str, int]]  # corpus id → name → number of prompts
LinksAt = tuple[int | None, int]
States = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Covered:
    """Prompts in use of a corpus with an attack type; a prompt counts once in each of its categories."""

    corpus: int
    attack: str
    labelled: int
    unlabelled: int
    categories: Mapping[str, int]  # code → prompts
    nothing: int  # prompts all of whose labels are dropped
    undecided: int  # prompts any of whose labels is undecided


@dataclass(frozen=True, slots=True)
class Spread:
    """Numbers of prompts, by what a map makes of the labels that its runs gave.

    `labels`, `themes` and `by_category` count every prompt once in each of its labels, themes and categories;
    `labelled` says how many of each corpus have a label. `scenarios` are those of the source.
    """

    runs: tuple[int, ...]
    scenarios: Counts
    labelled: Mapping[int, int]
    labels: Counts
    themes: Counts
    by_category: Counts
    coverage: tuple[Covered, ...]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a map says about one label: its category's code ("" for none), whether it is decided, its theme."""

    code: str
    decided: bool
    theme: str


def spread(merge_map: MergeMap | None) -> Spread:
    """The spread as it is now; without a map nothing is decided, and the links of all runs count."""
    states = Prompt.objects.order_by("state").values_list("state").annotate(n=Count("id"))
    now = links_state(), tuple(states)
    if merge_map is None:
        return _spread(*now, None, 0, frozenset())
    changed = LabelOperation.objects.filter(merge_map=merge_map).aggregate(newest=Max("id"))["newest"]
    return _spread(*now, merge_map.pk, changed or 0, runs_unread(merge_map))


@lru_cache(maxsize=4)
def _spread(links: LinksAt, states: States, map_id: int | None, changed: int, unread: frozenset[int]) -> Spread:
    found = _links(links, states).without(unread)
    corpus = found.of_kind(kind.corpus for kind in found.kinds)
    names = dict(IntentLabel.objects.values_list("id", "name"))
    meaning = _meaning(map_id)
    dropped = {pk for pk, one in meaning.items() if one.decided and not one.code}
    themes = {pk: meaning[pk].theme if pk in meaning else "" for pk in names if pk not in dropped}
    return Spread(
        runs=tuple(_numbers(found.run)),
        scenarios=_scenarios(found),
        labelled=_numbers(corpus[found.labelled()]),
        labels=_by_name(found, corpus, names),
        themes=_by_name(found, corpus, {pk: theme or names[pk] for pk, theme in themes.items()}),
        by_category=_by_name(found, corpus, {pk: one.code for pk, one in meaning.items() if one.code}),
        coverage=tuple(_coverage(found, meaning, dropped)),
    )


@lru_cache(maxsize=1)
def _links(links: LinksAt, states: States) -> Links:
    from annotation.tallies import links_of  # numpy: not before somebody looks

    prompts = Prompt.objects.order_by("id").values_list("id", "corpus", "attack_type", "state", "scenario")
    pairs = PromptIntent.objects.order_by().values_list("prompt", "label", "run")
    return links_of(prompts.iterator(SCANNED), list(pairs.iterator(SCANNED)))


def _scenarios(links: Links) -> Counts:
    numbers = _numbers(links.kind)
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for number, kind in enumerate(links.kinds):
        if kind.scenario:
            found[kind.corpus][kind.scenario] += numbers[number]
    return found


def _meaning(map_id: int | None) -> dict[int, Meaning]:
    entries = MapEntry.objects.filter(merge_map=map_id)
    columns = entries.values_list("label", "category__code", "decided_by", "theme")
    return {label: Meaning(code or "", bool(by), theme) for label, code, by, theme in columns}


def _by_name(links: Links, corpus: Ints, name_of: Mapping[int, str]) -> Counts:
    """Corpus id → name → number of prompts with any label of that name."""
    from annotation.tallies import counted

    names = list(dict.fromkeys(name_of.values()))
    number = {name: place for place, name in enumerate(names)}
    prompt, group = links.by({label: number[name] for label, name in name_of.items()})
    found = counted(corpus[prompt], group)
    return {pk: {names[place]: n for place, n in row.items()} for pk, row in found.items()}


def _coverage(links: Links, meaning: Mapping[int, Meaning], dropped: set[int]) -> Iterable[Covered]:
    """The prompts in use by corpus and attack type, those without a label apart."""
    from annotation.tallies import counted

    codes = sorted({one.code for one in meaning.values() if one.code})
    undecided = len(codes)
    column_of = {label: codes.index(one.code) for label, one in meaning.items() if one.code}
    column_of |= dict.fromkeys(_numbers(links.label).keys() - column_of.keys() - dropped, undecided)
    cells = list(dict.fromkeys((kind.corpus, kind.attack) for kind in links.kinds))
    place = {cell: number for number, cell in enumerate(cells)}
    cell = links.of_kind(place[kind.corpus, kind.attack] for kind in links.kinds)
    used = links.of_kind(kind.state == Prompt.State.ACTIVE for kind in links.kinds) == 1
    prompt, column = links.by(column_of)
    kept = used[prompt]
    told = counted(cell[prompt[kept]], column[kept])
    labelled = links.labelled()
    only_dropped = labelled.copy()
    only_dropped[prompt] = False
    every, bare, nothing = (_numbers(cell[used & these]) for these in (labelled, ~labelled, only_dropped))
    for number, (corpus, attack) in enumerate(cells):
        if n := every.get(number, 0):
            row = told.get(number, {})
            by_code = {code: row[at] for at, code in enumerate(codes) if at in row}
            left = row.get(undecided, 0)
            yield Covered(corpus, attack, n, bare.get(number, 0), by_code, nothing.get(number, 0), left)


def _numbers(values: Ints) -> Mapping[int, int]:
    """Value → how often it stands there, by value."""
    from annotation.tallies import grouped

    keys, numbers = grouped(values)
    return dict(zip(keys.tolist(), numbers.tolist(), strict=True))


def forget() -> None:
    """Drop what is kept, for tests: their rows come again under the same ids."""
    _links.cache_clear()
    _spread.cache_clear()
