"""Figures about what the corpora consist of: scenarios (Figure 3-2), frequent labels (3-3 to 3-5), categories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.models import Category, Corpus, Prompt, PromptIntent
from annotation.selectors import map_newest_published
from madsafe_web.core.charts.figures import category_bars, scenario_distribution, top_labels
from madsafe_web.core.charts.parts import Chart, Table

TOP = 20


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure as the template reads it."""

    id: str
    title: str
    note: str
    alt: str
    chart: Chart
    size: str = "bars"
    keys: tuple[object, ...] = ()

    @property
    def spec(self) -> dict[str, Any]:
        return self.chart.figure

    @property
    def table(self) -> Table:
        return self.chart.table

    @property
    def csv_url(self) -> str:
        return f"{reverse('annotation:distributions')}?csv={self.id}"


def figures() -> list[Drawn]:
    """Every figure that there is data for, in four queries."""
    names = dict(Corpus.objects.filter(role=Corpus.Role.ALIGNMENT).order_by("name").values_list("id", "name"))
    return [*_each(names, _scenarios(), _scenario_figure), *_each(names, _labels(), _label_figure), *_coverage()]


Counts = dict[str, int]


def _each(names: dict[int, str], counts: dict[int, Counts], draw: Callable[[int, str, Counts], Drawn]) -> list[Drawn]:
    return [draw(pk, name, counts[pk]) for pk, name in names.items() if pk in counts]


def _scenarios() -> dict[int, Counts]:
    """Corpus id → scenario → number of prompts, as imported."""
    rows = Prompt.objects.filter(corpus__role=Corpus.Role.ALIGNMENT).exclude(scenario="").order_by()
    found: dict[int, Counts] = defaultdict(dict)
    for corpus_id, scenario, n in rows.values_list("corpus", "scenario").annotate(n=Count("id")):
        found[corpus_id][scenario] = n
    return found


def _labels() -> dict[int, Counts]:
    """Corpus id → raw label → number of prompts."""
    rows = PromptIntent.objects.filter(prompt__corpus__role=Corpus.Role.ALIGNMENT).order_by()
    found: dict[int, Counts] = defaultdict(dict)
    counted = rows.values_list("prompt__corpus", "label__name").annotate(n=Count("prompt", distinct=True))
    for corpus_id, name, n in counted:
        found[corpus_id][name] = n
    return found


def _scenario_figure(pk: int, name: str, counts: Counts) -> Drawn:
    chart = scenario_distribution({name: counts}, axis=_("Prompts"), columns=(_("Corpus"), _("Scenario"), _("Prompts")))
    title = _("Scenarios of %(corpus)s") % {"corpus": name}
    alt = _("Bars: number of prompts of %(corpus)s in each scenario.") % {"corpus": name}
    return Drawn(f"fig-scenarios-{pk}", title, _("as in the source"), alt, chart)


def _label_figure(pk: int, name: str, counts: Counts) -> Drawn:
    chart = top_labels(counts, top=TOP, axis=_("Prompts"), columns=(_("Label"), _("Prompts")))
    title = _("Most frequent labels of %(corpus)s") % {"corpus": name}
    alt = _("Bars: number of prompts of %(corpus)s with each of its most frequent labels.") % {"corpus": name}
    note = _("the first %(shown)s of %(total)s") % {"shown": min(TOP, len(counts)), "total": len(counts)}
    return Drawn(f"fig-labels-{pk}", title, note, alt, chart)


def _coverage() -> list[Drawn]:
    """Prompts in use by category of the newest published map; one counts in each of its categories."""
    published = map_newest_published()
    if published is None:
        return []
    code = "label__entries__category__code"
    links = PromptIntent.objects.filter(
        prompt__state=Prompt.State.ACTIVE,
        prompt__corpus__role=Corpus.Role.ALIGNMENT,
        label__entries__merge_map=published,
        label__entries__category__isnull=False,
    )
    counted = dict(links.order_by().values_list(code).annotate(n=Count("prompt", distinct=True)))
    categories = list(Category.objects.all())
    values = {row.code: counted.get(row.code, 0) for row in categories}
    names = {row.code: row.name for row in categories}
    columns = (_("Category"), _("Prompts"))
    chart = category_bars(values, names, axis=_("Prompts"), columns=columns)
    note = _("prompts in use, by map v%(version)s") % {"version": published.version}
    alt = _("Bars: number of prompts in use in each of the 14 categories.")
    return [Drawn("fig-categories", _("Coverage of the categories"), note, alt, chart)]
