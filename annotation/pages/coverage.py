"""How far the categories of a map cover the corpora: by corpus and attack type, and all in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotation.models import Category
from annotation.spread import Covered
from madsafe_web.core.charts.figures import bars
from madsafe_web.core.charts.parts import Cell, Chart, Table
from madsafe_web.core.charts.shares import share_matrix

MOST_LINES = 24  # of the matrix as it is drawn; its table has them all


@dataclass(frozen=True, slots=True)
class Line:
    """Labelled prompts in use: of a corpus, or of one attack type in it. `columns`: of each category, then the rest."""

    corpus: str
    attack: str
    labelled: int
    unlabelled: int
    columns: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{self.corpus} · {self.attack}" if self.attack else self.corpus

    def percent(self, number: int) -> float:
        return 100 * number / self.labelled


@dataclass(frozen=True, slots=True)
class Total:
    """Prompts in use of the alignment corpora, and what of them is undecided or dropped."""

    labelled: int
    unlabelled: int
    undecided: int
    nothing: int

    @property
    def percent(self) -> float:
        """The share of undecided ones among those with a label, 0..100."""
        return 100 * self.undecided / self.labelled if self.labelled else 0.0


def lines(coverage: Sequence[Covered], names: Mapping[int, str], codes: Sequence[str]) -> list[Line]:
    """A line for each corpus, in the order of `names`, and below it one for each of its attack types, if it has any."""
    found = []
    for pk, name in names.items():
        parts = sorted((one for one in coverage if one.corpus == pk), key=lambda one: (-one.labelled, one.attack))
        if not parts:
            continue
        found.append(_line(name, "", parts, codes))
        if any(one.attack for one in parts):
            found += [_line(name, one.attack or _("no attack"), [one], codes) for one in parts]
    return found


def _line(corpus: str, attack: str, parts: Sequence[Covered], codes: Sequence[str]) -> Line:
    columns = [sum(one.categories.get(code, 0) for one in parts) for code in codes]
    rest = (sum(one.nothing for one in parts), sum(one.undecided for one in parts))
    sums = (sum(one.labelled for one in parts), sum(one.unlabelled for one in parts))
    return Line(corpus, attack, *sums, (*columns, *rest))


def total(coverage: Sequence[Covered], aligned: set[int]) -> Total:
    """All alignment corpora together."""
    parts = [one for one in coverage if one.corpus in aligned]
    sums = (sum(getattr(one, name) for one in parts) for name in ("labelled", "unlabelled", "undecided", "nothing"))
    return Total(*sums)


def matrix(found: Sequence[Line], codes: Sequence[str]) -> Chart:
    """Percent of each line's prompts; the largest lines are drawn, and a cell without prompts is clear."""
    columns = (*codes, _("None of them"), _("Undecided"))
    drawn = sorted(range(len(found)), key=lambda at: -found[at].labelled)[:MOST_LINES]
    shown = [found[at] for at in sorted(drawn)]
    shares = [[line.percent(n) if n else None for n in line.columns] for line in shown]
    numbers = (part for name in columns for part in (name, f"{name} %"))
    head = (_("Corpus"), _("Attack type"), _("Prompts"), *numbers, _("Without a label"))
    return share_matrix([line.name for line in shown], columns, shares, Table(head, tuple(map(_row, found))))


def _row(line: Line) -> tuple[Cell, ...]:
    numbers = (part for n in line.columns for part in (n, round(line.percent(n), 1)))
    return (line.corpus, line.attack or _("all"), line.labelled, *numbers, line.unlabelled)


def category_shares(coverage: Sequence[Covered], aligned: set[int], categories: Sequence[Category]) -> Chart:
    """Bars: prompts in use of the alignment corpora in each category, in none of them, and undecided."""
    counts: Counter[str] = Counter()
    for one in coverage:
        if one.corpus in aligned:
            counts.update(one.categories)
    whole = total(coverage, aligned)
    named = {f"{row.code} {row.name}": (counts[row.code], row.token) for row in categories}
    named |= {_("None of them"): (whole.nothing, "@--ink-3"), _("Undecided"): (whole.undecided, "@--ink-3")}
    numbers, colours = zip(*named.values(), strict=True)
    chart = bars(list(named), numbers, colours=colours, axis=_("Prompts"))
    rows = tuple((name, n, round(100 * n / whole.labelled, 1) if whole.labelled else None) for name, n in _rows(chart))
    return Chart(chart.figure, Table((_("Category"), _("Prompts"), "%"), rows))


def _rows(chart: Chart) -> list[tuple[str, int]]:
    return [(str(name), int(n or 0)) for name, n in chart.table.rows]
