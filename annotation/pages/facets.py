"""Facets of the explorer: the values of one of them, how many prompts have each, and which are chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.catalogue import held, stored
from annotation.catalogue.wanted import FACETS, NONE, NUMBERS, Wanted
from annotation.models import Category, Corpus, IntentLabel, MergeMap, Prompt
from annotation.prompt_filter import ANSWERED, EMPTY, LANGUAGES, PromptFilter, address_value, stored_value
from annotation.selectors import categories_of
from madsafe_web.core.llm.parse import label_key
from madsafe_web.core.method import Text

MOST_SHOWN = 20
TITLES: Mapping[str, Text] = {
    "within": gettext_lazy("Also in the responses, as written"),
    "corpus": gettext_lazy("Corpus"),
    "category": gettext_lazy("Category"),
    "label": gettext_lazy("Label"),
    "language": gettext_lazy("Language"),
    "scenario": gettext_lazy("Scenario"),
    "attack": gettext_lazy("Kind of attack"),
    "origin": gettext_lazy("Origin"),
    "state": gettext_lazy("State"),
    "responses": gettext_lazy("Responses"),
    "perplexity": gettext_lazy("Perplexity"),
    "response_safety": gettext_lazy("Response safety"),
    "instruction_safety": gettext_lazy("Instruction safety"),
}
UNFOLDED = ("corpus", "category", "label", "language")  # the others open when they are wanted
WORDS: Mapping[str, Mapping[str, Text]] = {
    "language": LANGUAGES,
    "origin": dict(Prompt.Origin.choices),
    "state": dict(Prompt.State.choices),
    "responses": ANSWERED,
}


@dataclass(frozen=True, slots=True)
class Named:
    """A value as people read it."""

    text: str
    category: Category | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a facet; `count` is None as long as it was not counted."""

    value: str
    named: Named
    count: int | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    title: str
    values: list[Value]
    rest: int  # values that are not shown
    counted: bool
    unfolded: bool
    counted_at: str = ""  # query string of the page that counts it itself


def names_chosen(filters: PromptFilter, merge_map: MergeMap | None) -> dict[str, dict[str, Named]]:
    """Facet → value that the filter names → how it is called, for the facets that are set."""
    chosen = {name: filters.kept[name] for name in FACETS if filters.kept[name]}
    return {name: names_of(name, values, merge_map) for name, values in chosen.items()}


def facets_shown(
    filters: PromptFilter, merge_map: MergeMap | None, names: Mapping[str, Mapping[str, Named]]
) -> list[Facet]:
    """All facets as the page begins: only what is chosen in them, and those counted that the address opens."""
    found, address = [], filters.address(page=filters.kept["page"])
    for name in FACETS:
        if name in (filters.kept["open"] or ()):
            found.append(facet_counted(filters, merge_map, name))
            continue
        shown = [Value(value, named, None, True) for value, named in names.get(name, {}).items()]
        unfolded, title = bool(shown) or name in UNFOLDED, str(TITLES[name])
        found.append(Facet(name, title, shown, 0, False, unfolded, opening(address, name)))
    return found


def opening(address: str, name: str) -> str:
    """The query string of the same page that also counts this facet itself."""
    return f"{address}&open={name}" if address else f"open={name}"


def facet_counted(filters: PromptFilter, merge_map: MergeMap | None, name: str) -> Facet:
    """One facet with its counts: what is chosen first, then the most frequent; of labels those that are looked for."""
    wanted, search = filters.wanted(merge_map.pk if merge_map else None), filters.text("label_q")
    held_by = {address_value(value): n for value, n in _counts(wanted, name).items()}
    chosen: tuple[str, ...] = filters.kept[name] or ()
    others = [value for value in held_by if value not in chosen]
    if search and name == "label":
        fits = IntentLabel.objects.filter(key__contains=label_key(search)).values_list("id", flat=True)
        named = {str(pk) for pk in fits}
        others = [value for value in others if value in named]
    others.sort(key=lambda value: (-held_by[value], value))
    listed = _in_place(chosen, others, name, merge_map)
    shown = listed[: max(MOST_SHOWN, len(chosen))]
    names = names_of(name, shown, merge_map)
    values = [Value(value, names[value], held_by.get(value, 0), value in chosen) for value in shown]
    return Facet(name, str(TITLES[name]), values, len(listed) - len(shown), True, True)


def _counts(wanted: Wanted, name: str) -> dict[str, int]:
    try:
        catalogue = held.current()
    except held.NotReady:
        return stored.counts(wanted, name)
    from annotation.catalogue import asking

    return asking.counts(catalogue, wanted, name)


def _in_place(chosen: tuple[str, ...], others: list[str], name: str, merge_map: MergeMap | None) -> list[str]:
    """What is chosen, then the others; the categories are few and keep their places, wherever a tick stands."""
    if name != "category":
        return [*chosen, *others]
    order = {code: at for at, code in enumerate(categories_of(merge_map))}
    return sorted((*chosen, *others), key=lambda value: order.get(value, len(order)))


def names_of(name: str, values: Iterable[str], merge_map: MergeMap | None) -> dict[str, Named]:
    """How each of these values of a facet is called; what is not known any more as it stands."""
    values = list(values)
    if name == "corpus":
        return _stored(values, dict(Corpus.objects.filter(pk__in=values).values_list("pk", "name")))
    if name == "label":
        return _stored(values, dict(IntentLabel.objects.filter(pk__in=values).values_list("pk", "name")))
    if name == "category":
        categories = categories_of(merge_map)
        found = {value: categories.get(value) for value in values}
        return {
            value: Named(_("No category") if value == NONE else f"{value} {row.name}" if row else value, row)
            for value, row in found.items()
        }
    words = WORDS.get(name, {})
    return {
        value: Named(_("None given") if value == EMPTY else str(words.get(value, stored_value(value))))
        for value in values
    }


def _stored(values: list[str], names: Mapping[int, str]) -> dict[str, Named]:
    return {value: Named(names.get(int(value), value)) for value in values}


@dataclass(frozen=True, slots=True)
class Scored:
    """How many prompts that fit have a score, and between which values, as people see them."""

    title: str
    count: int
    least: float
    most: float


def scores_counted(filters: PromptFilter, merge_map: MergeMap | None) -> list[Scored]:
    """The three scores of what fits, each without its own range."""
    wanted, found = filters.wanted(merge_map.pk if merge_map else None), []
    for name in NUMBERS:
        count, least, most = _scored(wanted, name)
        if name == "perplexity":
            least, most = (math.exp(min(value, 500)) for value in (least, most))
        found.append(Scored(str(TITLES[name]), count, least, most))
    return found


def _scored(wanted: Wanted, name: str) -> tuple[int, float, float]:
    try:
        catalogue = held.current()
    except held.NotReady:
        return stored.scored(wanted, name)
    from annotation.catalogue import asking

    return asking.scored(catalogue, wanted, name)
