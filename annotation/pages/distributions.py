"""Figures about what the corpora consist of: scenarios (Figure 3-2), frequent labels before and after merging (3-3 to
3-5) and how they differ between corpora, and how far the categories cover them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.forms import DistributionFilter
from annotation.models import Category, Corpus, MergeMap
from annotation.pages import coverage
from annotation.pages.drawn import Drawn
from annotation.selectors import categories, map_newest_published
from annotation.shares import difference
from annotation.spread import Counts, Spread, spread
from madsafe_web.core.charts.figures import scenario_distribution, top_labels
from madsafe_web.core.charts.shares import PairWords, SharePair, pair_differences, pair_dots
from madsafe_web.core.charts.shown import Key

TOP = 20
SHOWN = 4  # corpora drawn when nobody chose one
Context = dict[str, Any]  # Any: a template's context


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page is asked for, with what it is answered from."""

    filters: DistributionFilter
    merge_map: MergeMap | None
    found: Spread
    corpora: Mapping[int, str]  # all of them, id → name
    aligned: set[int]  # ids of the alignment corpora
    categories: Sequence[Category]

    @property
    def by(self) -> str:
        return str(self.filters.kept["by"] or "label")

    @property
    def counted(self) -> str:
        """What is counted, in the language of the reader."""
        return {"label": _("Label"), "theme": _("Theme"), "category": _("Category")}[self.by]

    @property
    def counts(self) -> Counts:
        """Corpus id → label, theme or category → number of prompts."""
        if self.by == "theme":
            return self.found.themes
        if self.by == "label":
            return self.found.labels
        name_of = {row.code: f"{row.code} {row.name}" for row in self.categories}
        return {
            pk: {name_of[code]: n for code, n in row.items() if code in name_of}
            for pk, row in self.found.by_category.items()
        }

    @property
    def labelled(self) -> list[int]:
        """Ids of the corpora with labels: those for alignment first, the largest first."""
        having = [pk for pk in self.corpora if pk in self.found.labelled]
        return sorted(having, key=lambda pk: (pk not in self.aligned, -self.found.labelled[pk]))

    @property
    def alone(self) -> int | None:
        """The id of the one corpus that somebody chose, if there is one."""
        chosen: int | None = self.filters.kept["corpus"]
        return chosen if chosen in self.corpora else None

    @property
    def shown(self) -> list[int]:
        """Ids of the corpora that are drawn one by one, in the order of their names."""
        if self.alone:
            return [self.alone]
        size = {pk: sum(self.found.scenarios.get(pk, {}).values()) for pk in self.corpora}
        having = [pk for pk in self.corpora if size[pk] or pk in self.found.labelled]
        largest = sorted(having, key=lambda pk: (pk not in self.aligned, -self.found.labelled.get(pk, 0), -size[pk]))[
            :SHOWN
        ]
        return [pk for pk in self.corpora if pk in largest]

    @property
    def pair(self) -> tuple[int, int] | None:
        """Ids of the two corpora to compare: those asked for, else the largest; None without two that have labels."""
        having = self.labelled
        if len(having) < 2:
            return None
        first, second = (pk if pk in having else None for pk in map(self.filters.kept.get, ("first", "second")))
        first = first or next(pk for pk in having if pk != second)
        return first, second or next(pk for pk in having if pk != first)

    def drawn(self, name: str, title: str, note: str, alt: str, chart: Any, **facts: Any) -> Drawn:
        query = self.filters.query("map", "by", "corpus", "first", "second")
        return Drawn(name, title, note, alt, chart, reverse("annotation:distributions"), query, **facts)


def distributions_context(filters: DistributionFilter) -> Context:
    """The page: every figure that there is data for, and what there is to choose from."""
    asked = _asked(filters)
    covered = list(_covered(asked))
    pair = list(_pair(asked))
    each = list(_each(asked))
    return {
        "figures": [*covered, *pair, *each],
        "covered": covered,
        "pair": pair,
        "each": each,
        "total": coverage.total(asked.found.coverage, asked.aligned),
        "map": asked.merge_map,
        "runs": asked.found.runs,
        "maps": MergeMap.objects.order_by("-version").only("version", "state"),
        "by": asked.by,
        "choices": {"label": _("Raw labels"), "theme": _("Themes"), "category": _("Categories")}.items(),
        "corpora": asked.corpora.items(),
        "labelled": [(pk, name) for pk, name in asked.corpora.items() if pk in asked.found.labelled],
        "alone": asked.alone,
        "chosen": asked.pair,
        "shown": len(asked.shown),
    }


def _asked(filters: DistributionFilter) -> Asked:
    version = filters.kept["map"]
    named = MergeMap.objects.filter(version=version).first() if version else None
    merge_map = named or map_newest_published() or MergeMap.objects.order_by("-version").first()
    corpora = list(Corpus.objects.order_by("role", "name").only("name", "role"))
    names, aligned = (
        {row.pk: row.name for row in corpora},
        {row.pk for row in corpora if row.role == Corpus.Role.ALIGNMENT},
    )
    rows = categories(merge_map.taxonomy if merge_map else None)
    return Asked(filters, merge_map, spread(merge_map), names, aligned, list(rows))


# --- each corpus ---


def _each(asked: Asked) -> Iterable[Drawn]:
    for pk in asked.shown:
        if pk in asked.aligned and pk in asked.found.scenarios:
            yield _scenario_figure(asked, pk)
        if asked.counts.get(pk):
            yield _label_figure(asked, pk)


def _scenario_figure(asked: Asked, pk: int) -> Drawn:
    name = asked.corpora[pk]
    columns = (_("Corpus"), _("Scenario"), _("Prompts"))
    chart = scenario_distribution({name: asked.found.scenarios[pk]}, axis=_("Prompts"), columns=columns)
    title = _("Scenarios of %(corpus)s") % {"corpus": name}
    alt = _("Bars: number of prompts of %(corpus)s in each scenario.") % {"corpus": name}
    return asked.drawn(f"fig-scenarios-{pk}", title, _("as in the source"), alt, chart)


def _label_figure(asked: Asked, pk: int) -> Drawn:
    title, alt = {
        "label": (
            _("Most frequent labels of %(corpus)s"),
            _("Bars: number of prompts of %(corpus)s with each of its most frequent labels."),
        ),
        "theme": (
            _("Most frequent themes of %(corpus)s"),
            _("Bars: number of prompts of %(corpus)s with each of its most frequent themes."),
        ),
        "category": (_("Categories of %(corpus)s"), _("Bars: number of prompts of %(corpus)s in each category.")),
    }[asked.by]
    counts, name = asked.counts[pk], {"corpus": asked.corpora[pk]}
    chart = top_labels(counts, top=TOP, axis=_("Prompts"), columns=(asked.counted, _("Prompts")))
    return asked.drawn(f"fig-labels-{pk}", title % name, _first(len(counts)), alt % name, chart)


def _first(total: int) -> str:
    return _("the first %(shown)s of %(total)s") % {"shown": min(TOP, total), "total": total}


# --- two corpora ---


def _pair(asked: Asked) -> Iterable[Drawn]:
    """Shares in two corpora side by side, and by how much they differ."""
    if asked.pair is None:
        return
    names = [asked.corpora[pk] for pk in asked.pair]
    rows = _shares(asked, *asked.pair)
    if not rows:
        return
    words = PairWords(
        label=asked.counted,
        first=names[0],
        second=names[1],
        count=_("prompts"),
        difference=_("Difference"),
        low=_("low"),
        high=_("high"),
        axis=_("Share of the labelled prompts"),
        axis_difference=_("Percentage points"),
    )
    both = {"first": names[0], "second": names[1]}
    alt = _("Dots: share of the prompts of %(first)s and of %(second)s with each of the most frequent ones.") % both
    keys = (Key("circle", "base", names[0]), Key("diamond", "tuned", names[1]))
    dots, points = pair_dots(rows, TOP, words), pair_differences(rows, TOP, words)
    yield asked.drawn("fig-pair", _("Shares side by side"), _first(len(rows)), alt, dots, keys=keys)
    alt = _("Dots with 95 %% intervals: share in %(first)s minus share in %(second)s, in percentage points.") % both
    note = _("%(first)s minus %(second)s, with 95 %% intervals") % both
    yield asked.drawn("fig-difference", _("Differences"), note, alt, points)


def _shares(asked: Asked, first: int, second: int) -> list[SharePair]:
    """Every label of the two corpora, by its larger share."""
    counts = [asked.counts.get(pk, {}) for pk in (first, second)]
    wholes = [asked.found.labelled[pk] for pk in (first, second)]
    rows = []
    for name in counts[0].keys() | counts[1].keys():
        one, other = (found.get(name, 0) for found in counts)
        apart = difference(one, wholes[0], other, wholes[1])
        ends = (100 * apart.value, 100 * apart.low, 100 * apart.high) if apart else (None, None, None)
        rows.append(SharePair(name, one, other, 100 * one / wholes[0], 100 * other / wholes[1], *ends))
    return sorted(rows, key=lambda row: (-max(row.first, row.second), row.label))


# --- categories ---


def _covered(asked: Asked) -> Iterable[Drawn]:
    """By corpus and attack type, and all in all. A prompt counts once in each of its categories."""
    if asked.merge_map is None or not asked.found.coverage:
        return
    codes = [row.code for row in asked.categories]
    names = {asked.alone: asked.corpora[asked.alone]} if asked.alone else asked.corpora
    found = coverage.lines(asked.found.coverage, names, codes)
    version = {"version": asked.merge_map.version}
    if found:
        note = _("percent of the labelled prompts in use, by map v%(version)s") % version
        alt = _("Matrix: share of the prompts of each corpus and attack type in each category, and what is undecided.")
        chart = coverage.matrix(found, codes)
        yield asked.drawn("fig-coverage", _("Coverage by corpus and attack type"), note, alt, chart, wide=True)
    note = _("prompts in use, by map v%(version)s") % version
    alt = _("Bars: number of prompts in use in each category, in none of them, and undecided.")
    chart = coverage.category_shares(asked.found.coverage, asked.aligned, asked.categories)
    yield asked.drawn("fig-categories", _("Coverage of the categories"), note, alt, chart)
