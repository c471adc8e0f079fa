"""How well people agree who decided about labels without seeing each other: the page for leads, and its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from annotation.merge.answers import Answered, answered, pairs_of
from annotation.merge.blind import labels_of_two, policy_now
from annotation.models import Category, LabelOpinion, MapEntry, MergeMap
from annotation.pages.labels import category_of, map_shown
from annotation.selectors import categories_of
from madsafe_web.core.charts.parts import Table
from madsafe_web.core.models import User

if TYPE_CHECKING:
    from annotation.agreement import Agreement

Context = dict[str, Any]  # Any: a template's context
MOST_PAIRS = 20  # shown; the file has them all
MOST_ROWS = 200
KINDS = ("figures", "prevalence", "labels")
COLUMNS = {
    "figures": ("people", "weighted_by", "n", "agreement", "alpha", "alpha_low", "alpha_high", "ac1", "note"),
    "prevalence": ("category", "share", "share_by_prompts"),
    "labels": ("label", "prompts", "person", "answer", "stands"),
}
EQUAL = "undefined: all answers equal"


@dataclass(frozen=True, slots=True)
class Figures:
    """The agreement of some people: over labels, and with each label counted as often as prompts carry it."""

    people: tuple[str, ...]  # () for all
    labels: Agreement
    prompts: Agreement
    weight: int  # prompts in all

    @property
    def lines(self) -> tuple[tuple[str, int, Agreement], ...]:
        return ("labels", self.labels.units, self.labels), ("prompts", self.weight, self.prompts)


def agreement_context(user: User, version: int | None) -> Context:
    """The page for one version of the map."""
    maps = MergeMap.objects.filter(pk__in=LabelOpinion.objects.values("entry__merge_map")).order_by("-version")
    versions = list(maps.values_list("version", flat=True))
    merge_map = maps.filter(version=version or 0).first() or maps.first() or map_shown()
    found = answered(user, merge_map) if merge_map else []
    known = categories_of(merge_map)
    pairs = pairs_of(found)
    rows = [one for one in found if not one.agreed]
    everybody = figures(found)
    return {
        "map": merge_map.version if merge_map else None,
        "versions": versions,
        "labels": len(found),
        "figures": [everybody, *(figures(found, pair) for pair in pairs[:MOST_PAIRS] if len(pairs) > 1)],
        "pairs": len(pairs),
        "most_pairs": MOST_PAIRS,
        "prevalence": list(_prevalence(everybody, known)),
        "rows": [_row(one, known) for one in rows[:MOST_ROWS]],
        "disagreed": len(rows),
        "policy": policy_now(),
        "of_two": len(_of_two(merge_map)) if merge_map else 0,
    }


def figures(found: Sequence[Answered], people: tuple[str, ...] = ()) -> Figures:
    """The figures of these people, or of all."""
    from annotation.agreement import agreement  # numpy: not before somebody looks

    asked = [one for one in found if set(people) <= one.answers.keys()]
    answers = [[one.answers[name] for name in people or one.answers] for one in asked]
    carried = [(row, one.prompts) for row, one in zip(answers, asked, strict=True) if one.prompts]
    weights = [prompts for _row, prompts in carried]
    return Figures(people, agreement(answers), agreement([row for row, _n in carried], weights), sum(weights))


def _of_two(merge_map: MergeMap) -> set[int]:
    """The labels that need two people as the rule stands."""
    labels = MapEntry.objects.filter(merge_map=merge_map).values_list("label", flat=True)
    return labels_of_two(list(labels), merge_map) if policy_now().two_people else set()


def _prevalence(found: Figures, known: Mapping[str, Category]) -> Iterable[Context]:
    """The share of each answer in percent, the most frequent first."""
    for target, share in sorted(found.labels.prevalence.items(), key=lambda item: (-item[1], item[0])):
        by_prompts = found.prompts.prevalence.get(target, 0.0) if found.weight else None
        yield {
            "category": category_of(target, known),
            "share": 100 * share,
            "by_prompts": None if by_prompts is None else 100 * by_prompts,
        }


def _row(one: Answered, known: Mapping[str, Category]) -> Context:
    return {
        "label": one.label,
        "name": one.name,
        "prompts": one.prompts,
        "answers": [(name, category_of(target, known)) for name, target in one.answers.items()],
        "stands": category_of(one.stands, known),
    }


def agreement_table(user: User, merge_map: MergeMap, kind: str) -> Table:
    """One of the page's tables, whole and in full precision; raises KeyError for a kind that there is not."""
    columns, found = COLUMNS[kind], answered(user, merge_map)
    if kind == "labels":
        rows = [
            (one.name, one.prompts, name, _code(target), _code(one.stands))
            for one in found
            if not one.agreed
            for name, target in one.answers.items()
        ]
        return Table(columns, tuple(rows))
    everybody = figures(found)
    if kind == "prevalence":
        shares = everybody.labels.prevalence.items()
        return Table(
            columns, tuple((_code(one), share, everybody.prompts.prevalence.get(one)) for one, share in shares)
        )
    pairs = pairs_of(found)
    all_of_them = [everybody, *(figures(found, pair) for pair in pairs if len(pairs) > 1)]
    return Table(columns, tuple(_line(one, *line) for one in all_of_them for line in one.lines))


def _code(target: str) -> str:
    return target or "undecided"


def _line(found: Figures, weighted: str, n: int, one: Agreement) -> tuple[str | int | float | None, ...]:
    people = " + ".join(found.people) or "all"
    low, high = one.interval or (None, None)
    note = EQUAL if one.undefined else ""
    percent = None if one.percent is None else one.percent / 100
    return people, weighted, n, percent, one.alpha, low, high, one.ac1, note
