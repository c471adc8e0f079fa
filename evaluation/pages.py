"""A result as the results page shows it: percentages 0..100, signs and stars, words in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.models import Category, DecidedBy
from evaluation import selectors
from evaluation.charts import ComparisonWords
from evaluation.comparison import Comparison, ModelScore, Paper
from evaluation.origins import ReviewCounts
from evaluation.rows import BENCHMARKS, CVALUES, NEW_SAFETY, SAFETYBENCH
from evaluation.selectors import BenchmarkResult
from evaluation.statistics import stars
from madsafe_web.core.charts.parts import Table
from madsafe_web.core.charts.shown import FigureShown, Key

TITLES = {SAFETYBENCH: "SafetyBench", NEW_SAFETY: "New-Safety", CVALUES: "CValues"}
SIGNIFICANT = 0.05  # a difference gets the colour of a gain or a loss only below it
BASE_COLUMN, TUNED_COLUMN, DIFFERENCE_COLUMN = 1, 4, 7  # of the table that evaluation.charts makes
BESIDE = 0.05  # share of answers that are safe only because they miss the question, from which on the page says so


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, or the line of all. `tone`: up, down, or flat where the difference is not significant.

    While verdicts are open a score has no single number: `base_text` and `tuned_text` then show its bounds.
    """

    category: Category | None
    name: str
    base: float | None
    tuned: float | None
    base_text: str
    tuned_text: str
    delta_text: str
    tone: str
    interval: str
    significance: str
    n: int
    paper: str


@dataclass(frozen=True, slots=True)
class Card:
    """One benchmark in the row of links above the table."""

    slug: str
    name: str
    base_text: str
    tuned_text: str
    delta_text: str
    tone: str
    paper: str
    note: str
    current: bool


@dataclass(frozen=True, slots=True)
class Note:
    """A remark above the table: tone unsure or unsafe, `url` where the reader can do something about it."""

    tone: str
    text: str
    url: str = ""


def signed(value: float) -> str:
    """A number in one decimal place with its sign, a true minus: "+4.4", "−0.5", "0.0"."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def settled(score: ModelScore) -> float | None:
    """The score in percent, None while people may still change it."""
    return None if score.open or score.score is None else 100 * score.score


def score_text(score: ModelScore) -> str:
    """ "60.1", or "87.5–100" from the worst to the best that people may still decide, or "–" without answers."""
    if not score.n:
        return "–"
    good = round((score.score or 0.0) * (score.n - score.open))
    if not score.open:
        return f"{100 * good / score.n:.1f}"
    worst, best = (f"{100 * count / score.n:.1f}".removesuffix(".0") for count in (good, good + score.open))
    return f"{worst}–{best}"


def is_open(row: Comparison) -> bool:
    return bool(row.base.open or row.tuned.open)


def delta_text(row: Comparison) -> str:
    return "" if row.difference is None or is_open(row) else signed(100 * row.difference.value)


def tone(row: Comparison) -> str:
    """up or down where the difference is settled and significant after Holm's correction, else flat."""
    if is_open(row) or row.difference is None or row.p_holm is None or row.p_holm >= SIGNIFICANT:
        return "flat"
    return "up" if row.difference.value > 0 else "down"


def interval(row: Comparison) -> str:
    """The 95 % bounds of the difference in percentage points; "" without pairs and while verdicts are open."""
    if row.difference is None or is_open(row):
        return ""
    low, high = (f"{100 * bound:.1f}".replace("-", "−") for bound in (row.difference.low, row.difference.high))
    return f"[{low}, {high}]"


def paper_text(paper: Paper) -> str:
    """Levels "56.0 → 59.8" where the paper prints them, a gain "+59" where it prints only that; "" for nothing."""
    if paper.base is not None and paper.tuned is not None:
        return f"{100 * paper.base:.1f} → {100 * paper.tuned:.1f}"
    if paper.gain is None:
        return ""
    return f"{'> ' if paper.at_least else ''}{100 * paper.gain:+.0f}"


def names(result: BenchmarkResult, categories: Mapping[str, Category]) -> dict[str, str]:
    """Code → name in words. CValues' categories are words themselves."""
    if result.benchmark == NEW_SAFETY:
        return {code: category.name for code, category in categories.items()}
    if result.benchmark == CVALUES:
        return {}
    return {
        "OFF": _("Offensiveness"),
        "UB": _("Unfairness and bias"),
        "PH": _("Physical health"),
        "MH": _("Mental health"),
        "IA": _("Illegal activities"),
        "EM": _("Ethics and morality"),
        "PP": _("Privacy and property"),
    }


def label(result: BenchmarkResult, row: Comparison, categories: Mapping[str, Category]) -> str:
    """Code and name of a category, as the figure writes them."""
    return f"{selectors.category_name(result, row.code)} {names(result, categories).get(row.code, '')}".strip()


def row_shown(result: BenchmarkResult, row: Comparison, categories: Mapping[str, Category]) -> Row:
    return Row(
        category=categories.get(row.code) if result.benchmark == NEW_SAFETY else None,
        name=label(result, row, categories) if row.code else _("All"),
        base=settled(row.base),
        tuned=settled(row.tuned),
        base_text=score_text(row.base),
        tuned_text=score_text(row.tuned),
        delta_text=delta_text(row),
        tone=tone(row),
        interval=interval(row),
        significance="" if row.p_holm is None or is_open(row) else stars(row.p_holm),
        n=max(row.base.n, row.tuned.n),
        paper=paper_text(row.paper),
    )


def rows(result: BenchmarkResult, categories: Mapping[str, Category]) -> list[Row]:
    """The lines of the table, the largest difference first, as in the figure."""

    def rank(pair: tuple[Comparison, Row]) -> tuple[bool, float, str]:
        base, tuned = pair[0].base.score, pair[0].tuned.score
        return base is None or tuned is None, (base or 0) - (tuned or 0), pair[1].name

    pairs = [(row, row_shown(result, row, categories)) for row in result.categories]
    return [row for _, row in sorted(pairs, key=rank)]


def cards(results: Sequence[BenchmarkResult], current: str) -> list[Card]:
    """A card a benchmark; those that the run left out say so."""
    found = {result.benchmark: result for result in results}
    return [_card(slug, found.get(slug), slug == current) for slug in BENCHMARKS]


def _card(slug: str, result: BenchmarkResult | None, current: bool) -> Card:
    if result is None:
        return Card(slug, TITLES[slug], "", "–", "", "flat", "", _("not evaluated in this run"), current)
    row = result.total
    return Card(
        slug=slug,
        name=TITLES[slug],
        base_text=score_text(row.base),
        tuned_text=score_text(row.tuned),
        delta_text=delta_text(row),
        tone=tone(row),
        paper=paper_text(row.paper),
        note="",
        current=current,
    )


def notes(result: BenchmarkResult, reviews: ReviewCounts, may_review: bool) -> list[Note]:
    """What a reader must know before believing the figures."""
    found = []
    if result.offline_rules:
        text = _("These answers come from the offline rules or from a tiny model. They say nothing about a real model.")
        found.append(Note("unsafe", text))
    missing = 2 * result.items - result.total.base.n - result.total.tuned.n
    if missing:
        text = ngettext(
            "%(n)s answer is missing: its row failed.", "%(n)s answers are missing: their rows failed.", missing
        )
        found.append(Note("unsure", text % {"n": f"{missing:,}"}))
    if result.benchmark == NEW_SAFETY:
        found += _review_notes(result, reviews, may_review)
    return found


def _review_notes(result: BenchmarkResult, reviews: ReviewCounts, may_review: bool) -> list[Note]:
    found = []
    if result.open:
        text = ngettext(
            "%(n)s uncertain verdict waits for people. Scores that it may change are shown as bounds, from the worst "
            "to the best outcome.",
            "%(n)s uncertain verdicts wait for people. Scores that they may change are shown as bounds, from the worst "
            "to the best outcome.",
            result.open,
        )
        url = reverse("annotation:review") if may_review else ""
        found.append(Note("unsure", text % {"n": f"{result.open:,}"}, url))
    if by_rule := reviews.get(DecidedBy.RULE, 0):
        text = ngettext(
            "%(n)s uncertain verdict was settled by rule, not by people: safe where the answer is beside the question, "
            "otherwise unsafe.",
            "%(n)s uncertain verdicts were settled by rule, not by people: safe where the answer is beside the "
            "question, otherwise unsafe.",
            by_rule,
        )
        found.append(Note("unsure", text % {"n": f"{by_rule:,}"}))
    return [*found, *_helpful_note(result)]


def _helpful_note(result: BenchmarkResult) -> list[Note]:
    """A model that only produces noise must not look safe."""
    models = (result.total.base, result.total.tuned)
    if not any(one.score is not None and one.score - (one.helpful or 0.0) > BESIDE for one in models):
        return []
    base, tuned = ("–" if one.helpful is None else f"{100 * one.helpful:.1f} %" for one in models)
    text = _(
        "Part of the safe answers is beside the question or empty. Safe and to the point are: base %(base)s, "
        "tuned %(tuned)s."
    )
    return [Note("unsure", text % {"base": base, "tuned": tuned})]


def figure(result: BenchmarkResult, categories: Mapping[str, Category]) -> FigureShown | None:
    """Base against tuned by category with the paper's figures; None without categories."""
    if not result.categories:
        return None
    judged = result.benchmark == NEW_SAFETY
    paper_word = _("base + gain reported in the paper") if judged else _("reported in the paper")
    words = ComparisonWords(
        category=_("Category"),
        base=_("Base"),
        tuned=_("Tuned"),
        difference=_("Difference"),
        low=_("low"),
        high=_("high"),
        paper=paper_word,
        chance=_("Guessing"),
        axis=_("Safe answers, %") if judged else _("Right answers, %"),
        axis_narrow="%",
    )
    chart = selectors.category_chart(result, names(result, categories), words)
    return FigureShown(
        id="fig-compare",
        title=_("Safe rate") if judged else _("Accuracy"),
        note=_("largest difference first"),
        alt=_(
            "Scores of the base and the tuned model by category, with 95 % intervals; the data table has the numbers."
        ),
        size="dumbbell" if len(result.categories) > 8 else "short",
        keys=_keys(result, words),
        table=_table(chart.table, {label(result, row, categories) for row in result.categories if is_open(row)}),
        spec=chart.figure,
    )


def _keys(result: BenchmarkResult, words: ComparisonWords) -> tuple[Key, ...]:
    keys = [Key("circle", "base", words.base), Key("diamond", "tuned", words.tuned)]
    if any(row.paper != Paper() for row in result.categories):
        keys.append(Key("tick", "paper", words.paper))
    if any(row.chance is not None for row in result.categories):
        keys.append(Key("tick", "quiet", words.chance))
    return tuple(keys)


def _table(table: Table, open_labels: set[str]) -> Table:
    """The figure's numbers in one decimal place; lines with open verdicts show bounds but no single number."""
    body = [[round(cell, 1) if isinstance(cell, float) else cell for cell in row] for row in table.rows]
    for row in body:
        if row[0] in open_labels:
            row[BASE_COLUMN] = row[TUNED_COLUMN] = row[DIFFERENCE_COLUMN] = None
    return Table(table.columns, tuple(map(tuple, body)))


def benchmark_head(result: BenchmarkResult) -> dict[str, Any]:
    """Name and size of the benchmark, and what its rows are called."""
    return {
        "slug": result.benchmark,
        "name": TITLES[result.benchmark],
        "questions": result.items,
        "row_title": _("Domain") if result.benchmark == CVALUES else _("Category"),
    }
