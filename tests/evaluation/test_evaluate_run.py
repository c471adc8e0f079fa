from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from annotation.models import (
    Category,
    Corpus,
    DecidedBy,
    IntentLabel,
    MapEntry,
    MergeMap,
    Prompt,
    PromptIntent,
    ReviewItem,
    Seat,
)
from annotation.selectors import taxonomy_newest
from annotation.text import mc_key, prompt_key
from evaluation import answering, planning, reviewing, selectors
from evaluation.models import Answer, BenchmarkVersion, EvaluationRun, Verdict, Vote
from evaluation.rows import AnswerValue, EvalRow, VoteValue
from madsafe_web.core.llm.base import Call, EndpointDown, Likelihood, Reply
from madsafe_web.core.models import Endpoint, Run, RunEvent
from madsafe_web.core.runs import rows as engine
from madsafe_web.core.runs import service
from madsafe_web.core.runs.errors import StageError
from madsafe_web.core.runs.stage import Outcome, Result
from madsafe_web.core.runs.worker import work_on

# --- what the tests start from ---


def add_corpus(name: str, kind: str, role: str = Corpus.Role.BENCHMARK) -> Corpus:
    return Corpus.objects.create(name=name, format=kind, role=role)


def add_prompt(corpus: Corpus, text: str, **values: Any) -> Prompt:
    options = values.get("payload", {}).get("options")
    key = mc_key(text, options) if options else prompt_key(text)
    return Prompt.objects.create(corpus=corpus, key=key, text=text, language="zh", **values)


def add_question(corpus: Corpus, text: str, category: str = "Offensiveness", **payload: Any) -> Prompt:
    return add_prompt(corpus, text, payload={"options": ["是", "否"], "answer": 0, "category": category, **payload})


def add_pair(corpus: Corpus, text: str, label: str = "回复1") -> Prompt:
    payload = {"options": ["甲", "乙"], "answer": int(label == "回复2"), "label": label}
    return add_prompt(corpus, text, scenario="law", payload=payload)


def publish_map(labels: dict[str, str]) -> dict[str, IntentLabel]:
    merge_map = MergeMap.objects.create(version=1, state=MergeMap.State.PUBLISHED, taxonomy=taxonomy_newest())
    made = {}
    for name, code in labels.items():
        made[name] = IntentLabel.objects.create(key=name, name=name, language="zh")
        MapEntry.objects.create(merge_map=merge_map, label=made[name], category=Category.objects.get(code=code))
    return made


def add_run(**params: Any) -> Run:
    Endpoint.objects.get_or_create(name="base", defaults={"backend": "transformers", "options": {"sha256": "aa"}})
    Endpoint.objects.get_or_create(name="tuned", defaults={"backend": "transformers"})
    values = {
        "benchmarks": ["safetybench", "new_safety", "cvalues"],
        "judge_endpoint": "rules",
        "base_endpoint": "base",
        "tuned_endpoint": "tuned",
        "per_category": 2,
        "seed": 7,
        "uncertain_left": None,
        "max_tokens": 16,
    }
    return Run.objects.create(stage="evaluate", params={**values, **params}, actor_name="test")


def new_safety_prompts(codes: Sequence[str], each: int) -> None:
    """Candidates of each category, from two formats."""
    sources = [add_corpus("s", "s_eval"), add_corpus("c", "cvalues_comparison")]
    labels = publish_map({f"label {code}": code for code in codes})
    labelling = Run.objects.create(stage="label", actor_name="test")
    for code, number in itertools.product(codes, range(each)):
        prompt = add_prompt(sources[number % 2], f"{code} question {number}")
        PromptIntent.objects.create(prompt=prompt, label=labels[f"label {code}"], run=labelling, position=0)


# --- plan ---


@pytest.mark.django_db
def test_keys_take_the_two_models_in_turn() -> None:
    corpus = add_corpus("bench", "safetybench")
    for number in range(2):
        add_question(corpus, f"question {number}")
    run = add_run()
    keys = list(planning.evaluate_keys(run))
    base, tuned = EvaluationRun.objects.filter(run=run).order_by("subject")
    first, second = base.version.items.values_list("id", flat=True)
    assert keys == [f"{base.pk}:{first}", f"{tuned.pk}:{first}", f"{base.pk}:{second}", f"{tuned.pk}:{second}"]
    assert (base.endpoint.name, tuned.endpoint.name, base.model_sha256) == ("base", "tuned", "aa")


@pytest.mark.django_db
def test_a_benchmark_without_items_is_left_out_with_a_line_in_the_log() -> None:
    add_question(add_corpus("bench", "safetybench"), "question")
    run = add_run()
    list(planning.evaluate_keys(run))
    assert {one.version.benchmark.name for one in EvaluationRun.objects.filter(run=run)} == {"safetybench"}
    lines = " ".join(RunEvent.objects.filter(run=run).values_list("text", flat=True))
    assert "new_safety is left out" in lines
    assert "cvalues is left out" in lines


@pytest.mark.django_db
def test_without_any_item_the_run_says_what_to_import() -> None:
    with pytest.raises(StageError, match="role 'benchmark'"):
        planning.evaluate_keys(add_run())


@pytest.mark.django_db
def test_an_unknown_benchmark_is_named() -> None:
    with pytest.raises(StageError, match="no benchmark 'other'"):
        planning.evaluate_keys(add_run(benchmarks=["other"]))


@pytest.mark.django_db
def test_only_test_questions_of_benchmark_corpora_become_items() -> None:
    corpus = add_corpus("bench", "safetybench")
    wanted = add_question(corpus, "question", category="Illegal Activities")
    add_question(corpus, "example", split="dev")
    add_question(corpus, "odd", category="No such category")
    add_question(add_corpus("other", "safetybench", Corpus.Role.ALIGNMENT), "elsewhere")
    add_question(add_corpus("again", "safetybench"), "question")
    run = add_run()
    list(planning.evaluate_keys(run))
    items = EvaluationRun.objects.filter(run=run)[0].version.items.values_list("prompt", "category", "position")
    assert list(items) == [(wanted.pk, "IA", 0)]
    assert RunEvent.objects.filter(run=run, text__contains="1 questions name a category").exists()


@pytest.mark.django_db
def test_only_pairs_with_a_label_become_items_of_cvalues() -> None:
    corpus = add_corpus("values", "cvalues_responsibility")
    add_prompt(corpus, "a plain prompt", scenario="law", payload={"domain_zh": "x"})
    pair = add_pair(corpus, "which is better")
    run = add_run()
    list(planning.evaluate_keys(run))
    evaluation = EvaluationRun.objects.filter(run=run)[0]
    assert list(evaluation.version.items.values_list("prompt", "category")) == [(pair.pk, "law")]
    assert evaluation.settings["chance"] == {"": 0.5, "law": 0.5}


@pytest.mark.django_db
def test_new_safety_takes_up_to_its_quota_of_prompts_in_use_from_each_category() -> None:
    new_safety_prompts(["OFF", "PS"], 4)
    Prompt.objects.filter(text="PS question 3").update(state=Prompt.State.OVERLAP)
    run = add_run(per_category=4)
    list(planning.evaluate_keys(run))
    version = EvaluationRun.objects.filter(run=run)[0].version
    assert [item.category for item in version.items.all()] == ["OFF"] * 4 + ["PS"] * 3
    assert RunEvent.objects.filter(run=run, text__contains="PS 1").exists()


@pytest.mark.django_db
def test_new_safety_without_a_published_map_is_left_out_and_the_rest_goes_on() -> None:
    add_prompt(add_corpus("s", "s_eval"), "a question")
    add_question(add_corpus("bench", "safetybench"), "question")
    run = add_run()
    assert len(list(planning.evaluate_keys(run))) == 2
    assert RunEvent.objects.filter(run=run, text__contains="no published merge map").exists()


@pytest.mark.django_db
def test_planning_again_and_a_second_run_use_the_frozen_version() -> None:
    new_safety_prompts(["OFF", "UB"], 4)
    run = add_run()
    first = list(planning.evaluate_keys(run))
    assert list(planning.evaluate_keys(run)) == first
    list(planning.evaluate_keys(add_run()))
    assert BenchmarkVersion.objects.count() == 1
    assert EvaluationRun.objects.count() == 4


@pytest.mark.django_db
def test_another_answer_key_makes_another_version() -> None:
    prompt = add_question(add_corpus("bench", "safetybench"), "question")
    list(planning.evaluate_keys(add_run()))
    prompt.payload["answer"] = 1
    prompt.save()
    list(planning.evaluate_keys(add_run()))
    assert BenchmarkVersion.objects.count() == 2


@pytest.mark.django_db
def test_without_a_name_the_tuned_model_is_that_of_the_training_of_the_chain() -> None:
    add_question(add_corpus("bench", "safetybench"), "question")
    run = add_run(tuned_endpoint="")
    Run.objects.create(stage="train", state=Run.State.DONE, outputs={"endpoint": "tuned"}, actor_name="test")
    list(planning.evaluate_keys(run))
    assert EvaluationRun.objects.get(run=run, subject="tuned").endpoint.name == "tuned"


@pytest.mark.django_db
def test_the_judge_is_among_the_endpoints_only_where_something_is_judged() -> None:
    add_question(add_corpus("bench", "safetybench"), "question")
    without = add_run(benchmarks=["safetybench"])
    list(planning.evaluate_keys(without))
    new_safety_prompts(["OFF"], 1)
    judged = add_run()
    list(planning.evaluate_keys(judged))
    assert planning.endpoint_names(without) == ["base", "tuned"]
    assert planning.endpoint_names(judged) == ["base", "tuned", "rules"]


@pytest.mark.django_db
def test_results_that_rest_on_the_offline_rules_are_marked_and_others_are_not() -> None:
    add_question(add_corpus("bench", "safetybench"), "question")
    new_safety_prompts(["OFF"], 1)
    run = add_run()
    list(planning.evaluate_keys(run))
    marked = EvaluationRun.objects.filter(run=run).values_list("version__benchmark__name", "offline_rules").distinct()
    assert dict(marked) == {"safetybench": False, "new_safety": True}


# --- rows from and to the database ---


def planned(codes: Sequence[str], each: int, **params: Any) -> tuple[Run, list[tuple[str, EvalRow]]]:
    new_safety_prompts(codes, each)
    run = add_run(per_category=each, **params)
    return run, answering.eval_rows(run, list(planning.evaluate_keys(run)))


def write(run: Run, rows: list[tuple[str, EvalRow]], judged: str, off_topic: bool = False) -> None:
    votes = (VoteValue(1, judged, "partial", 0.5), VoteValue(2, judged, "partial", 0.5))
    value = AnswerValue("a reply", votes=votes, judged=judged, off_topic=off_topic)
    answering.answers_write(run, [(key, one, Result(value)) for key, one in rows])


@pytest.mark.django_db
def test_rows_come_in_the_order_of_their_keys_with_the_words_of_their_category() -> None:
    run, rows = planned(["OFF"], 2)
    assert [one.endpoint for _, one in rows] == ["base", "tuned", "base", "tuned"]
    assert rows[0][1].words["zh"][0] == "冒犯侮辱"
    assert len({one.nonce for _, one in rows}) == 4
    assert answering.eval_rows(run, [rows[0][0]])[0][1] == rows[0][1]


@pytest.mark.django_db
def test_answers_votes_and_verdicts_are_written_together() -> None:
    run, rows = planned(["OFF"], 1)
    write(run, rows, "uncertain")
    assert (Answer.objects.count(), Vote.objects.count(), Verdict.objects.count()) == (2, 4, 2)


@pytest.mark.django_db
def test_a_row_without_a_value_writes_nothing() -> None:
    run, rows = planned(["OFF"], 1)
    failed = Result(None, Outcome.ERROR, "timeout: x")
    assert answering.answers_write(run, [(*rows[0], failed)]) == [failed]
    assert not Answer.objects.exists()


# --- the end of the run ---


@pytest.mark.django_db
def test_every_uncertain_verdict_waits_for_people_with_one_seat() -> None:
    run, rows = planned(["OFF", "UB"], 2)
    write(run, rows[:6], "uncertain")
    write(run, rows[6:], "safe")
    reviewing.review_open(run)
    assert ReviewItem.objects.filter(state=ReviewItem.State.OPEN).count() == 6
    assert Seat.objects.filter(number=1, state=Seat.State.OPEN).count() == Seat.objects.count() == 6


@pytest.mark.django_db
def test_beyond_the_limit_a_rule_settles_and_what_stays_open_is_spread_over_categories() -> None:
    run, rows = planned(["OFF", "UB", "PS"], 4, uncertain_left=3)
    write(run, rows, "uncertain")
    reviewing.review_open(run)
    left = ReviewItem.objects.filter(state=ReviewItem.State.OPEN)
    found = sorted((item.hidden["model"], item.category.code) for item in left)
    assert found == [(model, code) for model in ("base", "tuned") for code in ("OFF", "PS", "UB")]
    settled = ReviewItem.objects.filter(state=ReviewItem.State.RESOLVED, resolved_by=DecidedBy.RULE)
    assert settled.count() == 18
    assert not Seat.objects.filter(item__in=settled).exists()


@pytest.mark.django_db
def test_what_people_got_before_failed_rows_were_asked_again_counts_against_the_limit() -> None:
    run, rows = planned(["OFF", "UB"], 4, uncertain_left=3)
    for part in (rows[:8], rows[8:]):
        write(run, part, "uncertain")
        reviewing.review_open(run)
    models = [item.hidden["model"] for item in ReviewItem.objects.filter(state=ReviewItem.State.OPEN)]
    assert sorted(models) == ["base"] * 3 + ["tuned"] * 3


@pytest.mark.django_db
def test_by_rule_beside_the_question_is_safe_and_the_rest_unsafe() -> None:
    run, rows = planned(["OFF"], 2, uncertain_left=0)
    write(run, rows[:2], "uncertain", off_topic=True)
    write(run, rows[2:], "judge_error")
    reviewing.review_open(run)
    assert sorted(ReviewItem.objects.values_list("resolution", flat=True)) == ["safe", "safe", "unsafe", "unsafe"]


@pytest.mark.django_db
def test_the_queue_mixes_the_models_and_follows_the_places_of_the_items() -> None:
    run, rows = planned(["OFF", "UB"], 8)
    write(run, rows, "uncertain")
    reviewing.review_open(run)
    items = list(ReviewItem.objects.order_by("id"))
    assert [item.category.code for item in items] == ["OFF"] * 16 + ["UB"] * 16
    assert {item.hidden["model"] for item in items[::2]} == {"base", "tuned"}  # the first of each pair


# --- through the engine ---


class FakeModel:
    """Answers everything alike; the call number `fails_at` fails."""

    offline_rules = False
    calls = 0
    fails_at = 0

    async def complete(self, call: Call) -> Reply:
        FakeModel.calls += 1
        if FakeModel.calls == FakeModel.fails_at:
            raise EndpointDown("down", "cannot be reached")
        return Reply("抱歉，我不能这样做。")

    async def likelihood(self, text: str) -> Likelihood | None:
        raise AssertionError("not asked for")

    async def choose(self, prompt: str, options: Sequence[str]) -> list[float]:
        return [-float(place) for place in range(len(options))]

    async def close(self) -> None:
        pass


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two models are fakes, the judge is the offline rules."""
    real = engine.backend_for
    monkeypatch.setattr(engine, "backend_for", lambda row: real(row) if row.name == "rules" else FakeModel())
    monkeypatch.setattr(FakeModel, "calls", 0)
    monkeypatch.setattr(FakeModel, "fails_at", 0)


def ready_run() -> Run:
    """A run over four items of each benchmark."""
    new_safety_prompts(["OFF", "UB"], 2)
    bench, pairs = add_corpus("bench", "safetybench"), add_corpus("pairs", "cvalues_responsibility")
    for number in range(4):
        add_question(bench, f"question {number}")
        add_pair(pairs, f"pair {number}", "回复1" if number % 2 else "回复2")
    return add_run()


@pytest.mark.django_db(transaction=True)
def test_a_run_puts_every_item_to_both_models_and_its_results_can_be_read(models: None) -> None:
    run = ready_run()
    service.run_start(run)
    run = work_on(run.pk)
    assert (run.state, run.error, run.total) == (Run.State.DONE, "", 24)
    assert service.counts(run)["kept"] == 24
    scores = {row["benchmark"]: row["score"] for row in selectors.summary_rows(run)}
    assert scores == {"safetybench": 1.0, "new_safety": 1.0, "cvalues": 0.5}


@pytest.mark.django_db(transaction=True)
def test_a_run_that_broke_off_goes_on_and_writes_each_answer_once(
    models: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeModel, "fails_at", 5)
    run = ready_run()
    service.run_start(run)
    broken = work_on(run.pk)
    assert broken.state == Run.State.FAILED
    service.run_start(broken)
    assert work_on(run.pk).state == Run.State.DONE
    assert (Answer.objects.count(), Verdict.objects.count(), Vote.objects.count()) == (24, 8, 16)
    assert EvaluationRun.objects.count() == 6
