"""What the results pages read. Everything is computed from the stored answers; a run costs the same few queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast

from annotation.models import ReviewItem
from annotation.selectors import categories_at
from evaluation import charts, paper
from evaluation.benchmarks import new_safety, safetybench
from evaluation.comparison import BASE, TUNED, Comparison, ModelScore, Outcome, Paper, by_category, compare
from evaluation.models import Answer, EvaluationRun, Item
from evaluation.reviewing import KIND
from evaluation.rows import BENCHMARKS, CVALUES, NEW_SAFETY, SAFETYBENCH, taxonomy_version
from evaluation.statistics import Interval
from madsafe_web.core.charts.parts import Cell, Chart, Table
from madsafe_web.core.models import Run

COLUMNS = (
    *("Category", "n", "Base", "Base low", "Base high", "Tuned", "Tuned low", "Tuned high"),
    *("Difference", "Difference low", "Difference high", "p", "p (Holm)", "Gained", "Lost", "Open"),
    *("Base (paper)", "Tuned (paper)", "Gain (paper)"),
)


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """One benchmark in one run: all categories together and one by one. Scores are in 0..1.

    `items` is the size of the frozen benchmark; a model with fewer answers has rows that failed. Where
    `offline_rules` is set the figures come from stand-ins for models and say nothing about a model.
    """

    benchmark: str
    sha256: str
    items: int
    base_endpoint: str
    tuned_endpoint: str
    settings: Mapping[str, Any]  # of the base model's evaluation; the tuned one differs in the model only
    total: Comparison
    categories: tuple[Comparison, ...]
    offline_rules: bool

    @property
    def models(self) -> dict[str, ModelScore]:
        return {BASE: self.total.base, TUNED: self.total.tuned}

    @property
    def open(self) -> int:
        """Answers of both models that wait for people."""
        return self.total.base.open + self.total.tuned.open


def newest_run() -> Run | None:
    """The newest evaluation that is done. One whose failed rows were asked again stays as old as it is."""
    return Run.objects.filter(stage="evaluate", state=Run.State.DONE).order_by("-id").first()


def results(run: Run | None = None) -> list[BenchmarkResult]:
    """The results of a run, of the newest finished one without it; [] when there is none."""
    run = run or newest_run()
    if run is None:
        return []
    evaluations = EvaluationRun.objects.filter(run=run).select_related("version__benchmark", "endpoint")
    by_benchmark: dict[str, list[EvaluationRun]] = defaultdict(list)
    for evaluation in evaluations.order_by("id"):
        by_benchmark[evaluation.version.benchmark.name].append(evaluation)
    outcomes, sizes = _outcomes(run), _sizes(run)
    return [_result(by_benchmark[name], outcomes, sizes) for name in BENCHMARKS if name in by_benchmark]


def _sizes(run: Run) -> dict[int, int]:
    """Benchmark version id → number of its items."""
    counts = Item.objects.filter(version__evaluations__run=run).values("version").annotate(n=Count("id", distinct=True))
    return dict(counts.values_list("version", "n"))


def _resolutions() -> Subquery:
    """What people or a rule made of a verdict; null or "" while it waits."""
    subject = Cast(OuterRef("verdict__id"), CharField())
    return Subquery(ReviewItem.objects.filter(kind=KIND, subject=subject).values("resolution")[:1])


def _outcomes(run: Run) -> dict[int, list[Outcome]]:
    """Evaluation id → how its model did on each item."""
    rows = Answer.objects.filter(evaluation__run=run).annotate(resolution=_resolutions())
    fields = ("evaluation", "evaluation__subject", "item", "item__category", "correct", "verdict__judged")
    found: dict[int, list[Outcome]] = defaultdict(list)
    for pk, subject, item, category, correct, judged, off_topic, resolution in rows.order_by("id").values_list(
        *fields, "verdict__off_topic", "resolution"
    ):
        good = standing(correct, judged, resolution)
        found[pk].append(Outcome(subject, item, category, good, not off_topic))
    return found


def standing(correct: bool | None, judged: str | None, resolution: str | None) -> bool | None:
    """Whether an answer counts as good: right, or safe by the judge or by who resolved it; None while nobody has."""
    if correct is not None:
        return correct
    value = judged if judged in ("safe", "unsafe") else resolution
    return {"safe": True, "unsafe": False}.get(value or "")


def _result(
    evaluations: Sequence[EvaluationRun], outcomes: Mapping[int, Sequence[Outcome]], sizes: Mapping[int, int]
) -> BenchmarkResult:
    by_subject = {evaluation.subject: evaluation for evaluation in evaluations}
    base, tuned = by_subject[BASE], by_subject[TUNED]
    name, chance = base.version.benchmark.name, base.settings["chance"]
    rows = [*outcomes.get(base.pk, ()), *outcomes.get(tuned.pk, ())]
    order = _order(name, base.settings)
    reported = _paper(name, order)
    return BenchmarkResult(
        benchmark=name,
        sha256=base.version.sha256,
        items=sizes[base.version_id],
        base_endpoint=base.endpoint.name,
        tuned_endpoint=tuned.endpoint.name,
        settings=base.settings,
        total=compare("", rows, reported.get("", Paper()), chance.get("")),
        categories=by_category(rows, order, reported, chance),
        offline_rules=base.offline_rules or tuned.offline_rules,
    )


def _order(benchmark: str, settings: Mapping[str, Any]) -> Sequence[str]:
    """The categories of a benchmark in their order; those of New-Safety by the taxonomy that it was made with."""
    if benchmark == NEW_SAFETY:
        return list(categories_at(taxonomy_version(settings)))
    return tuple(safetybench.CATEGORIES.values()) if benchmark == SAFETYBENCH else ()


def _paper(benchmark: str, order: Sequence[str]) -> dict[str, Paper]:
    """The paper's figures by category, "" for all together, in 0..1. For other categories than its own it has none."""
    if benchmark == NEW_SAFETY:
        if set(order) != set(new_safety.CATEGORIES):
            return {}
        gains = {"" if gain.category == "average" else gain.category: gain for gain in paper.NEW_SAFETY}
        return {code: Paper(gain=gain.points / 100, at_least=gain.at_least) for code, gain in gains.items()}
    if benchmark == CVALUES:
        return {"": _levels("5-2", "average", 1)}
    columns = {code: safetybench.display_code(code) for code in safetybench.CATEGORIES.values()}
    return {code: _levels("5-1", column, 100) for code, column in {"": "Avg", **columns}.items()}


def _levels(table: str, metric: str, unit: int) -> Paper:
    base, tuned = paper.reported(table, paper.BASE, metric), paper.reported(table, paper.TUNED, metric)
    if base is None or tuned is None:
        return Paper()
    return Paper(base.value / unit, tuned.value / unit, (tuned.value - base.value) / unit)


# --- for pages and files ---


def summary_rows(run: Run) -> list[dict[str, Any]]:
    """benchmark, model (base, tuned), n, score and interval in 0..1; models without any settled answer are left out."""
    return [
        {
            "benchmark": result.benchmark,
            "model": model,
            "n": score.n,
            "score": round(score.score, 4),
            "interval": [round(score.low, 4), round(score.high, 4)],
        }
        for result in results(run)
        for model, score in result.models.items()
        if score.score is not None and score.low is not None and score.high is not None
    ]


def reviews_open() -> QuerySet[ReviewItem]:
    """Review items of evaluations that wait for people."""
    return ReviewItem.objects.filter(kind=KIND, state=ReviewItem.State.OPEN)


def open_reviews() -> int:
    """How many uncertain verdicts wait for people, over all runs."""
    return reviews_open().count()


def category_name(result: BenchmarkResult, code: str) -> str:
    """The code as tables show it; "All" for all together."""
    if not code:
        return "All"
    return safetybench.display_code(code) if result.benchmark == SAFETYBENCH else code


def category_table(result: BenchmarkResult) -> Table:
    """One row a category and one for all, scores in 0..1, for the page's table and the CSV."""
    rows = (*result.categories, result.total)
    return Table(COLUMNS, tuple((category_name(result, row.code), *_cells(row)) for row in rows))


def _cells(row: Comparison) -> tuple[Cell, ...]:
    """While verdicts are open there are bounds but no single number, so that none is quoted too early."""
    base, tuned = (None if one.open else one.score for one in (row.base, row.tuned))
    settled = not (row.base.open or row.tuned.open)
    given = row.difference if settled else None
    difference = (given.value, given.low, given.high) if given else (None, None, None)
    return (
        max(row.base.n, row.tuned.n),
        *map(_rounded, (base, row.base.low, row.base.high)),
        *map(_rounded, (tuned, row.tuned.low, row.tuned.high)),
        *map(_rounded, difference),
        *map(_rounded, (row.p, row.p_holm) if settled else (None, None)),
        *(row.gained, row.lost, row.base.open + row.tuned.open),
        *map(_rounded, (row.paper.base, row.paper.tuned, row.paper.gain)),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def category_chart(
    result: BenchmarkResult, names: Mapping[str, str] | None = None, words: charts.ComparisonWords | None = None
) -> Chart:
    """Base against tuned by category in percent, the paper's figures as ticks. `names`: code → name in words."""
    rows = [
        charts.Compared(
            label=f"{category_name(result, row.code)} {(names or {}).get(row.code, '')}".strip(),
            base=_percent(row.base.interval),
            tuned=_percent(row.tuned.interval),
            paper=_tick(row),
            chance=None if row.chance is None else 100 * row.chance,
        )
        for row in result.categories
    ]
    return charts.base_tuned(rows, words)


def _percent(interval: Interval | None) -> Interval | None:
    return interval and Interval(100 * interval.value, 100 * interval.low, 100 * interval.high)


def _tick(row: Comparison) -> float | None:
    """Where the paper's figure lies: its level, or its gain on top of this run's base, at most 100."""
    if row.paper.tuned is not None:
        return 100 * row.paper.tuned
    if row.paper.gain is None or row.base.score is None:
        return None
    return min(100.0, 100 * (row.base.score + row.paper.gain))
