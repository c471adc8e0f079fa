"""Figures about what the corpora consist of: scenarios (Figure 3-2), frequent labels (3-3 to 3-5), categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.models import Corpus, IntentLabel, MergeMap
from annotation.selectors import categories_of, map_newest_published
from annotation.spread import Spread, spread
from madsafe_web.core.charts.figures import category_bars, scenario_distribution, top_labels
from madsafe_web.core.charts.parts import Chart, Table

TOP = 20
MOST_ROWS = 100
FEW_BARS = 10


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure as the template reads it."""

    id: str
    title: str
    note: str
    alt: str
    chart: Chart
    page: str = ""  # where its CSV is had; "" for the distributions
    upright: bool = False
    keys: tuple[object, ...] = ()

    @property
    def size(self) -> str:
        """A few bars need less height, and so do upright ones."""
        return "bars" if len(self.chart.table.rows) > FEW_BARS and not self.upright else "short"

    @property
    def spec(self) -> dict[str, Any]:
        return self.chart.figure

    @property
    def table(self) -> Table:
        """The first rows: a corpus may have thousands of labels. The CSV has them all."""
        return Table(self.chart.table.columns, self.chart.table.rows[:MOST_ROWS])

    @property
    def csv_url(self) -> str:
        return f"{self.page or reverse('annotation:distributions')}?csv={self.id}"


def figures() -> list[Drawn]:
    """Every figure that there is data for."""
    corpora = dict(Corpus.objects.order_by("role", "name").values_list("id", "name"))
    published = map_newest_published()
    found = spread(published)
    names = dict(IntentLabel.objects.values_list("id", "name"))
    scenarios = [
        _scenario_figure(pk, name, found.scenarios[pk]) for pk, name in corpora.items() if pk in found.scenarios
    ]
    labels = [
        _label_figure(pk, name, {names[label]: n for label, n in found.labels[pk].items()})
        for pk, name in corpora.items()
        if pk in found.labels
    ]
    return [*scenarios, *labels, *([_coverage(published, found)] if published else [])]


def _scenario_figure(pk: int, name: str, counts: Mapping[str, int]) -> Drawn:
    chart = scenario_distribution({name: counts}, axis=_("Prompts"), columns=(_("Corpus"), _("Scenario"), _("Prompts")))
    title = _("Scenarios of %(corpus)s") % {"corpus": name}
    alt = _("Bars: number of prompts of %(corpus)s in each scenario.") % {"corpus": name}
    return Drawn(f"fig-scenarios-{pk}", title, _("as in the source"), alt, chart)


def _label_figure(pk: int, name: str, counts: Mapping[str, int]) -> Drawn:
    chart = top_labels(counts, top=TOP, axis=_("Prompts"), columns=(_("Label"), _("Prompts")))
    title = _("Most frequent labels of %(corpus)s") % {"corpus": name}
    alt = _("Bars: number of prompts of %(corpus)s with each of its most frequent labels.") % {"corpus": name}
    note = _("the first %(shown)s of %(total)s") % {"shown": min(TOP, len(counts)), "total": len(counts)}
    return Drawn(f"fig-labels-{pk}", title, note, alt, chart)


def _coverage(published: MergeMap, found: Spread) -> Drawn:
    """Prompts in use by category; one counts in each of its categories."""
    categories = categories_of(published)
    values = {code: found.categories.get(code, 0) for code in categories}
    names = {code: row.name for code, row in categories.items()}
    colours = {code: row.token for code, row in categories.items()}
    columns = (_("Category"), _("Prompts"))
    chart = category_bars(values, names, colours, axis=_("Prompts"), columns=columns)
    note = _("prompts in use, by map v%(version)s") % {"version": published.version}
    alt = _("Bars: number of prompts in use in each category.")
    return Drawn("fig-categories", _("Coverage of the categories"), note, alt, chart)
