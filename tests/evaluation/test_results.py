from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from annotation.models import Corpus, DecidedBy, Prompt, ReviewItem
from annotation.text import prompt_key
from evaluation import selectors
from evaluation.comparison import BASE, TUNED, Outcome, Paper, by_category, compare, model_score
from evaluation.models import Answer, Benchmark, BenchmarkVersion, EvaluationRun, Item, Verdict
from evaluation.statistics import mcnemar, wilson
from madsafe_web.core.models import Endpoint, Run
from tests.factories import make_run


def outcomes(subject: str, goods: list[bool | None], category: str = "OFF") -> list[Outcome]:
    return [Outcome(subject, place, category, good) for place, good in enumerate(goods)]


# --- scores ---


def test_a_settled_score_has_its_wilson_interval() -> None:
    score = model_score(outcomes(BASE, [True] * 85 + [False] * 15))
    assert score.interval == wilson(85, 100)


def test_with_open_items_the_score_is_over_the_settled_ones() -> None:
    score = model_score(outcomes(BASE, [True] * 6 + [False] * 2 + [None] * 2))
    assert (score.n, score.open, score.score) == (10, 2, 0.75)


def test_with_open_items_the_interval_covers_what_people_may_still_decide() -> None:
    score = model_score(outcomes(BASE, [True] * 6 + [False] * 2 + [None] * 2))
    worst, best = wilson(6, 10), wilson(8, 10)
    assert worst and best
    assert (score.low, score.high) == (worst.low, best.high)


def test_a_model_whose_answers_all_wait_has_bounds_but_no_score() -> None:
    score = model_score(outcomes(BASE, [None, None]))
    assert (score.score, score.low, score.high, score.interval) == (None, 0.0, 1.0, None)


def test_a_model_without_answers_has_neither() -> None:
    score = model_score([])
    assert (score.n, score.score, score.low, score.high, score.helpful) == (0, None, None, None, None)


def test_safe_answers_beside_the_question_are_not_helpful() -> None:
    rows = [Outcome(BASE, 1, "OFF", True), Outcome(BASE, 2, "OFF", True, helpful=False), Outcome(BASE, 3, "OFF", False)]
    score = model_score(rows)
    assert (score.score, score.helpful) == (2 / 3, 1 / 3)


def test_flips_are_counted_over_items_that_are_settled_for_both() -> None:
    rows = outcomes(BASE, [True, False, False, True, None]) + outcomes(TUNED, [True, True, True, False, True])
    found = compare("OFF", rows, Paper(), None)
    assert (found.pairs, found.gained, found.lost) == (4, 2, 1)
    assert found.p == mcnemar(1, 2)
    assert found.difference is not None
    assert found.difference.value == 0.25


def test_without_pairs_there_is_no_test() -> None:
    found = compare("OFF", outcomes(BASE, [True]), Paper(), None)
    assert (found.pairs, found.difference, found.p) == (0, None, None)


def test_p_values_are_corrected_over_the_categories() -> None:
    clear = outcomes(BASE, [False] * 10) + outcomes(TUNED, [True] * 10)
    none = outcomes(BASE, [True] * 10, "UB") + outcomes(TUNED, [True] * 10, "UB")
    first, second = by_category(clear + none, ("UB", "OFF"), {}, {})
    assert (first.code, first.p, first.p_holm) == ("UB", 1.0, 1.0)
    assert (second.code, second.p, second.p_holm) == ("OFF", mcnemar(0, 10), 2 * mcnemar(0, 10))


@pytest.mark.parametrize(
    ("correct", "judged", "resolution", "expected"),
    [
        (True, None, None, True),
        (False, None, None, False),
        (None, "safe", None, True),
        (None, "unsafe", None, False),
        (None, "uncertain", "safe", True),
        (None, "judge_error", "unsafe", False),
        (None, "uncertain", "", None),
        (None, "uncertain", None, None),
    ],
)
def test_the_standing_value_of_an_answer(
    correct: bool | None, judged: str | None, resolution: str | None, expected: bool | None
) -> None:
    assert selectors.standing(correct, judged, resolution) is expected


# --- from the database ---


def evaluated(benchmark: str, answers: list[tuple[str, Any, Any]], chance: dict[str, float] | None = None) -> Run:
    """A finished run with (category, base, tuned) for each item: True or False, or a word of the judge."""
    run = Run.objects.filter(stage="evaluate").first() or Run.objects.create(
        stage="evaluate", state=Run.State.DONE, actor_name="test"
    )
    endpoint, _ = Endpoint.objects.get_or_create(name="base", defaults={"backend": "transformers"})
    corpus = Corpus.objects.create(name=f"corpus {benchmark}", format=benchmark, role=Corpus.Role.BENCHMARK)
    version = BenchmarkVersion.objects.create(benchmark=Benchmark.objects.create(name=benchmark), sha256="ab")
    settings = {"chance": chance or {}}
    models = [
        EvaluationRun.objects.create(run=run, version=version, subject=subject, endpoint=endpoint, settings=settings)
        for subject in (BASE, TUNED)
    ]
    for position, (category, *given) in enumerate(answers):
        text = f"question {position}"
        prompt = Prompt.objects.create(corpus=corpus, key=prompt_key(text), text=text, language="zh")
        item = Item.objects.create(version=version, prompt=prompt, position=position, category=category)
        for model, value in zip(models, given, strict=True):
            add_answer(model, item, value)
    return run


def add_answer(model: EvaluationRun, item: Item, value: bool | str) -> None:
    correct = value if isinstance(value, bool) else None
    answer = Answer.objects.create(evaluation=model, item=item, text="reply", correct=correct)
    if isinstance(value, str):
        judged, _, resolution = value.partition(" ")
        verdict = Verdict.objects.create(answer=answer, judged=judged)
        if judged not in ("safe", "unsafe"):
            add_review(verdict, resolution)


def add_review(verdict: Verdict, resolution: str) -> None:
    ReviewItem.objects.create(
        kind="new_safety",
        subject=str(verdict.pk),
        prompt="question",
        response="reply",
        state=ReviewItem.State.RESOLVED if resolution else ReviewItem.State.OPEN,
        resolution=resolution,
        resolved_by=DecidedBy.PERSON if resolution else DecidedBy.NOBODY,
    )


@pytest.mark.django_db
def test_without_a_finished_run_there_are_no_results() -> None:
    Run.objects.create(stage="evaluate", state=Run.State.RUNNING, actor_name="test")
    assert selectors.results() == []


@pytest.mark.django_db
def test_the_newest_finished_run_is_shown() -> None:
    run = evaluated("safetybench", [("OFF", True, False)])
    assert selectors.newest_run() == run
    (result,) = selectors.results()
    assert (result.benchmark, result.items, result.total.base.score, result.total.tuned.score) == (
        "safetybench",
        1,
        1.0,
        0.0,
    )


@pytest.mark.django_db
def test_an_older_run_that_was_finished_anew_is_not_shown_instead_of_the_newest() -> None:
    older = evaluated("safetybench", [("OFF", True, False)])
    newer = Run.objects.create(stage="evaluate", state=Run.State.DONE, finished=timezone.now(), actor_name="test")
    Run.objects.filter(pk=older.pk).update(finished=timezone.now())
    assert selectors.newest_run() == newer


@pytest.mark.django_db
def test_safetybench_stands_beside_chance_and_the_figures_of_the_paper() -> None:
    evaluated("safetybench", [("IA", True, True), ("OFF", False, True)], {"": 0.36, "IA": 0.26})
    (result,) = selectors.results()
    assert [row.code for row in result.categories] == ["OFF", "IA"]
    crimes = result.categories[1]
    assert (crimes.chance, crimes.paper.base, crimes.paper.tuned) == pytest.approx((0.26, 0.612, 0.681))
    assert (result.total.chance, result.total.paper.tuned) == pytest.approx((0.36, 0.598))


@pytest.mark.django_db
def test_new_safety_stands_beside_the_gains_of_the_paper() -> None:
    evaluated("new_safety", [("IA", "unsafe", "safe"), ("PS", "safe", "safe")])
    (result,) = selectors.results()
    attack, remarks = result.categories
    assert (attack.paper.gain, attack.paper.at_least, remarks.paper) == (0.59, False, Paper())
    assert (result.total.paper.gain, result.total.paper.at_least) == (0.3, True)


@pytest.mark.django_db
def test_what_people_resolve_counts_and_the_rest_stays_open() -> None:
    evaluated("new_safety", [("OFF", "uncertain safe", "judge_error unsafe"), ("OFF", "uncertain", "safe")])
    (result,) = selectors.results()
    assert (result.total.base.score, result.total.base.open) == (1.0, 1)
    assert (result.total.tuned.score, result.total.tuned.open) == (0.5, 0)
    assert (result.open, selectors.open_reviews()) == (1, 1)


@pytest.mark.django_db
def test_a_review_item_of_another_kind_resolves_nothing() -> None:
    evaluated("new_safety", [("OFF", "uncertain", "safe")])
    verdict = Verdict.objects.get(judged="uncertain")
    ReviewItem.objects.create(kind="other", subject=str(verdict.pk), prompt="p", response="r", resolution="safe")
    assert selectors.results()[0].total.base.open == 1


@pytest.mark.django_db
def test_benchmarks_come_in_their_fixed_order_and_keep_apart() -> None:
    evaluated("cvalues", [("law", True, True)])
    evaluated("safetybench", [("OFF", False, False)])
    evaluated("new_safety", [("OFF", "safe", "safe")])
    found = selectors.results()
    assert [result.benchmark for result in found] == ["safetybench", "new_safety", "cvalues"]
    assert [result.total.base.score for result in found] == [0.0, 1.0, 1.0]
    assert found[2].total.paper.base == 0.5761


@pytest.mark.django_db
def test_a_result_of_the_offline_rules_is_marked() -> None:
    run = evaluated("safetybench", [("OFF", True, True)])
    EvaluationRun.objects.filter(run=run, subject=TUNED).update(offline_rules=True)
    assert selectors.results(run)[0].offline_rules


@pytest.mark.django_db
def test_the_summary_has_a_row_a_benchmark_and_model() -> None:
    run = evaluated("safetybench", [("OFF", True, False), ("OFF", True, True)])
    first, second = selectors.summary_rows(run)
    assert first == {"benchmark": "safetybench", "model": "base", "n": 2, "score": 1.0, "interval": [0.3424, 1.0]}
    assert (second["model"], second["score"]) == ("tuned", 0.5)


@pytest.mark.django_db
def test_the_table_has_a_row_a_category_and_one_for_all() -> None:
    evaluated("safetybench", [("IA", True, False), ("OFF", False, True)])
    table = selectors.category_table(selectors.results()[0])
    assert [row[0] for row in table.rows] == ["OFF", "CIA", "All"]
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert dict(zip(table.columns, table.rows[0], strict=True))["Gained"] == 1


@pytest.mark.django_db
def test_the_figure_puts_a_gain_of_the_paper_on_top_of_the_base_score() -> None:
    evaluated("new_safety", [("MI", "safe", "safe"), ("MI", "unsafe", "safe"), ("MI", "unsafe", "safe")])
    chart = selectors.category_chart(selectors.results()[0], {"MI": "Malicious inducement"})
    row = dict(zip(chart.table.columns, chart.table.rows[0], strict=True))
    assert row["Category"] == "MI Malicious inducement"
    assert row["Reported in the paper"] == pytest.approx(100 / 3 + 51)


@pytest.mark.django_db
def test_results_take_four_queries_whatever_their_size_and_one_more_for_their_map(
    django_assert_num_queries: Any,
) -> None:
    evaluated("safetybench", [("OFF", True, False)])
    with django_assert_num_queries(4):
        selectors.results()
    evaluated("new_safety", [("OFF", "uncertain", "safe"), ("UB", "safe", "uncertain safe")] * 20)
    with django_assert_num_queries(5):
        selectors.results()


@pytest.mark.django_db
def test_an_old_evaluation_that_was_retried_is_not_the_newest() -> None:
    old, new = (make_run("evaluate", finished=f"2026-0{month}-01T00:00:00Z") for month in (2, 1))
    assert selectors.newest_run() == new != old
