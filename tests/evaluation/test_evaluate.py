from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from evaluation.benchmarks import safetybench
from evaluation.rows import AnswerValue, EvalRow, VoteValue
from evaluation.stages.evaluate import STAGE, Params, process
from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Finish, Likelihood, Reply
from madsafe_web.core.runs.stage import Outcome, Result
from madsafe_web.core.runs.stages import point

WORDS = {"zh": ("冒犯侮辱", "定义"), "en": ("Insult", "definition")}


class FakeAsk:
    """Answers `chat` with a fixed text and the judge's templates in turn with the given texts or errors."""

    def __init__(self, *, judge: Sequence[str | CallError] = (), probable: int = 0, finish: Finish = "stop") -> None:
        self.calls: list[tuple[str, Call]] = []
        self.choices: list[tuple[str, str, tuple[str, ...]]] = []
        self.judge, self.probable, self.finish = list(judge), probable, finish

    async def __call__(self, endpoint: str, call: Call) -> Reply:
        self.calls.append((endpoint, call))
        if call.template == "chat":
            return Reply("a reply", self.finish, key="chat-key")
        answer = self.judge.pop(0)
        if isinstance(answer, CallError):
            raise answer
        return Reply(answer, key=f"judge-{len(self.calls)}")

    async def likelihood(self, endpoint: str, text: str) -> Likelihood | None:
        raise AssertionError("not asked for")

    async def choose(self, endpoint: str, prompt: str, options: Sequence[str]) -> list[float]:
        self.choices.append((endpoint, prompt, tuple(options)))
        if self.probable < 0:
            raise ValueError("does not tokenise apart")
        return [0.0 if place == self.probable else -1.0 for place in range(len(options))]


def vote(verdict: str, response_type: str = "refusal") -> str:
    return json.dumps(
        {
            "analysis": "x",
            "response_type": response_type,
            "verdict": verdict,
            "confidence": 0.9,
            "reason_code": "no_harm",
            "violated": [],
        }
    )


def row(benchmark: str = "new_safety", **values: Any) -> EvalRow:
    common: dict[str, Any] = {
        "evaluation": 1,
        "item": 2,
        "endpoint": "base",
        "text": "a question",
        "language": "zh",
        "category": "OFF",
        "words": WORDS,
        "nonce": "n0",
    }
    return EvalRow(benchmark=benchmark, **{**common, **values})


def processed(one: EvalRow, ask: FakeAsk) -> Result:
    return asyncio.run(process(one, Params(), None, ask))


def test_a_multiple_choice_question_is_answered_by_the_most_probable_letter() -> None:
    ask = FakeAsk(probable=1)
    one = row("safetybench", options=("甲", "乙", "丙"), answer=1)
    assert processed(one, ask).value == AnswerValue("(B)", "B", True)
    expected = safetybench.zero_shot(safetybench.Item(2, "OFF", "a question", ("甲", "乙", "丙"))) + "("
    assert ask.choices == [("base", expected, ("A", "B", "C"))]


def test_a_pair_of_replies_is_answered_by_the_more_probable_name() -> None:
    ask = FakeAsk(probable=0)
    assert processed(row("cvalues", answer=1), ask).value == AnswerValue("回复1", "回复1", False)
    assert ask.choices == [("base", "a question\n", ("回复1", "回复2"))]


def test_a_choice_that_cannot_be_scored_fails_its_row_only() -> None:
    result = processed(row("cvalues", answer=1), FakeAsk(probable=-1))
    assert (result.outcome, result.value) == (Outcome.ERROR, None)
    assert "tokenise" in result.message


def test_two_equal_votes_make_the_verdict() -> None:
    ask = FakeAsk(judge=[vote("unsafe", "full_compliance"), vote("unsafe", "partial")])
    value = processed(row(), ask).value
    assert (value.text, value.generation, value.judged, value.correct) == ("a reply", "chat-key", "unsafe", None)
    assert [(one.number, one.verdict, one.generation) for one in value.votes] == [
        (1, "unsafe", "judge-2"),
        (2, "unsafe", "judge-3"),
    ]


def test_the_judge_is_asked_in_two_languages_without_the_name_of_the_model() -> None:
    ask = FakeAsk(judge=[vote("safe"), vote("safe")])
    processed(row(endpoint="tuned"), ask)
    assert [(endpoint, call.template) for endpoint, call in ask.calls] == [
        ("tuned", "chat"),
        ("rules", "judge.zh"),
        ("rules", "judge.en"),
    ]
    assert ask.calls[1][1].inputs == {
        "nonce": "n0",
        "category": "OFF 冒犯侮辱",
        "definition": "定义",
        "prompt": "a question",
        "response": "a reply",
    }


def test_unequal_votes_are_uncertain() -> None:
    assert processed(row(), FakeAsk(judge=[vote("safe"), vote("unsafe")])).value.judged == "uncertain"


def test_an_unreadable_vote_is_asked_for_once_more() -> None:
    ask = FakeAsk(judge=["no JSON", vote("safe"), vote("safe")])
    assert processed(row(), ask).value.judged == "safe"
    assert [call.sample for _, call in ask.calls] == [0, 0, 1, 0]


def test_a_vote_unreadable_twice_is_empty_and_the_verdict_a_judge_error() -> None:
    value = processed(row(), FakeAsk(judge=["?", "?", vote("safe")])).value
    assert value.judged == "judge_error"
    assert value.votes[0] == VoteValue(1, "", reason_code="unreadable", generation="judge-3")


def test_a_failed_call_of_the_judge_leaves_an_empty_vote() -> None:
    value = processed(row(), FakeAsk(judge=[CallError("timeout", "too slow"), vote("safe")])).value
    assert (value.judged, value.votes[0].reason_code) == ("judge_error", "timeout")


def test_a_judge_that_is_down_stops_the_run() -> None:
    with pytest.raises(EndpointDown):
        processed(row(), FakeAsk(judge=[EndpointDown("down", "cannot be reached")]))


def test_an_answer_is_off_topic_when_every_readable_vote_says_so() -> None:
    both = processed(row(), FakeAsk(judge=[vote("safe", "off_topic"), vote("safe", "empty")])).value
    one = processed(row(), FakeAsk(judge=[vote("safe", "off_topic"), vote("safe", "refusal")])).value
    assert (both.off_topic, one.off_topic) == (True, False)


def test_a_refusal_of_the_provider_is_not_the_answer_of_the_model() -> None:
    assert processed(row(), FakeAsk(finish="content_filter")).outcome == Outcome.PROVIDER_REFUSED


def test_thinking_that_used_up_all_tokens_is_no_answer_and_is_not_judged() -> None:
    ask = FakeAsk(finish="thinking")
    result = processed(row(), ask)
    assert (result.value, result.outcome, result.kind) == (None, Outcome.TRUNCATED, "thinking_used_up")
    assert len(ask.calls) == 1


def test_the_stage_points_to_functions_that_exist() -> None:
    for target in (STAGE.plan, STAGE.fetch, STAGE.write, STAGE.finish, STAGE.endpoints):
        assert callable(point(target))
