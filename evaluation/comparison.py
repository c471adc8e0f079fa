"""Base against tuned, computed from outcomes: pure values, proportions in 0..1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evaluation.statistics import Interval, Pairs, holm, mcnemar, paired_difference, wilson

BASE, TUNED = "base", "tuned"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one model did on one item: right or safe, wrong or unsafe, or None while people have not decided.

    `helpful` is False for a safe reply that is beside the question or empty.
    """

    subject: str
    item: int
    category: str
    good: bool | None
    helpful: bool = True


@dataclass(frozen=True, slots=True)
class ModelScore:
    """The share of good answers of one model.

    `n` answers, of which `open` wait for people. `score` is over the settled ones, None without any. Once nothing is
    open `low` and `high` are the Wilson 95 % bounds; before that they reach from the lower bound of the worst outcome
    to the upper bound of the best, so they also cover what people may still decide. `helpful` leaves out good answers
    that are beside the question: a model that only produces noise must not look safe.
    """

    n: int
    open: int
    score: float | None
    low: float | None
    high: float | None
    helpful: float | None

    @property
    def interval(self) -> Interval | None:
        """The score with its bounds, None where there is none."""
        if self.score is None or self.low is None or self.high is None:
            return None
        return Interval(self.score, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Paper:
    """What the paper reports, marked as such wherever it is shown. A gain without levels may be a lower limit."""

    base: float | None = None
    tuned: float | None = None
    gain: float | None = None
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models on the same items. `code` is "" for all categories together.

    `pairs` items are settled for both models: the difference tuned - base, `p` (exact McNemar), `gained` and `lost`
    are over those. `p_holm` is corrected over the categories; for all together it is `p`.
    """

    code: str
    base: ModelScore
    tuned: ModelScore
    pairs: int
    difference: Interval | None
    p: float | None
    p_holm: float | None
    gained: int
    lost: int
    paper: Paper = Paper()
    chance: float | None = None


def model_score(outcomes: Iterable[Outcome]) -> ModelScore:
    """The score of one model from its outcomes."""
    rows = list(outcomes)
    good = sum(row.good is True for row in rows)
    helpful = sum(row.good is True and row.helpful for row in rows)
    waiting = sum(row.good is None for row in rows)
    n, settled = len(rows), len(rows) - waiting
    worst, best = wilson(good, n), wilson(good + waiting, n)
    return ModelScore(
        n=n,
        open=waiting,
        score=good / settled if settled else None,
        low=worst.low if worst else None,
        high=best.high if best else None,
        helpful=helpful / settled if settled else None,
    )


def compare(code: str, outcomes: Sequence[Outcome], paper: Paper, chance: float | None) -> Comparison:
    """Both models on these items, without the correction for many categories."""
    base = {row.item: row.good for row in outcomes if row.subject == BASE}
    tuned = {row.item: row.good for row in outcomes if row.subject == TUNED}
    both = [(a, b) for item, a in base.items() if a is not None and (b := tuned.get(item)) is not None]
    lost, gained = both.count((True, False)), both.count((False, True))
    pairs = Pairs(both.count((True, True)), lost, gained, both.count((False, False)))
    p = mcnemar(lost, gained) if both else None
    return Comparison(
        code=code,
        base=model_score(row for row in outcomes if row.subject == BASE),
        tuned=model_score(row for row in outcomes if row.subject == TUNED),
        pairs=len(both),
        difference=paired_difference(pairs),
        p=p,
        p_holm=p,
        gained=gained,
        lost=lost,
        paper=paper,
        chance=chance,
    )


def by_category(
    outcomes: Sequence[Outcome], order: Sequence[str], paper: Mapping[str, Paper], chance: Mapping[str, float]
) -> tuple[Comparison, ...]:
    """One comparison a category, in this order, categories not named in it behind by name; p-values after Holm."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for row in outcomes:
        groups[row.category].append(row)
    codes = [code for code in order if code in groups] + sorted(set(groups) - set(order))
    rows = [compare(code, groups[code], paper.get(code, Paper()), chance.get(code)) for code in codes]
    tested = [place for place, row in enumerate(rows) if row.p is not None]
    corrected = holm([rows[place].p or 0.0 for place in tested])
    for place, p in zip(tested, corrected, strict=True):
        rows[place] = replace(rows[place], p_holm=p)
    return tuple(rows)
