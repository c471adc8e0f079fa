"""The pure row functions of the stages, called with plain values and an `ask` that answers from a list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from annotation.rows import Candidate, LabelRow, NewResponse, PromptRow, ResponseRow, TaxonomyText
from annotation.stages import suggest
from madsafe_web.core.llm.base import Call, Likelihood, Reply
from madsafe_web.core.runs.stage import Outcome, Result
from pipeline.rows import KeywordRow, MapContext, RelatedRow
from pipeline.stages import (
    augment_keyword,
    augment_related,
    instruction_safety,
    label,
    perplexity,
    regenerate,
    response_safety,
)

ROW = PromptRow(1, "怎样保护账号？", "zh")
MAP = MapContext(
    frozenset({"诈骗", "隐私"}),
    {"诈骗": "CIA", "隐私": "PP"},
    {"CIA": {"zh": "违法犯罪", "en": "Crime"}, "PP": {"zh": "隐私", "en": "Privacy"}},
)


class Answers:
    """Answers each call with the next reply and keeps the calls."""

    def __init__(self, *replies: str | Reply, likelihood: Likelihood | None = None) -> None:
        self.replies = [one if isinstance(one, Reply) else Reply(one, key=f"k{n}") for n, one in enumerate(replies)]
        self.calls: list[Call] = []
        self._likelihood = likelihood

    async def __call__(self, endpoint: str, call: Call) -> Reply:
        self.calls.append(call)
        return self.replies[len(self.calls) - 1]

    async def likelihood(self, endpoint: str, text: str) -> Likelihood | None:
        return self._likelihood

    async def choose(self, endpoint: str, prompt: str, options: Sequence[str]) -> list[float]:
        raise AssertionError("not asked for here")


def run(stage: Any, row: Any, ask: Answers, context: Any = None, **params: Any) -> Result:
    result: Result = asyncio.run(stage.process(row, stage.Params(**params), context, ask))
    return result


def test_labels_are_taken_in_the_order_the_model_named_them() -> None:
    assert run(label, ROW, Answers("网络安全、诈骗")).value == ("网络安全", "诈骗")


def test_a_reply_without_a_label_is_asked_for_once_more() -> None:
    ask = Answers("抱歉，我无法回答。", "诈骗")
    assert run(label, ROW, ask).value == ("诈骗",)
    assert [call.sample for call in ask.calls] == [0, 1]


def test_two_replies_without_a_label_are_unparsed() -> None:
    assert run(label, ROW, Answers("抱歉，我无法回答。", "无")).outcome == Outcome.UNPARSED


def test_the_template_follows_the_language_of_the_prompt() -> None:
    ask = Answers("fraud")
    run(label, PromptRow(1, "How to stay safe?", "en"), ask)
    assert ask.calls[0].template == "label.en"


def test_a_suggestion_is_read_from_the_json_of_the_reply() -> None:
    ask = Answers('{"category": "CIA", "confidence": 0.9}')
    result = run(suggest, LabelRow(1, "诈骗", "zh", ("一",)), ask, TaxonomyText(("CIA",), {"zh": "CIA", "en": "CIA"}))
    assert (result.value.category, result.value.confidence) == ("CIA", 0.9)


def keyword_row() -> KeywordRow:
    return KeywordRow("CIA", "诈骗", "zh", 3, ("例子一",), (7,))


def test_a_generated_prompt_of_the_wanted_category_becomes_a_candidate() -> None:
    result = run(augment_keyword, keyword_row(), Answers("有人遇到诈骗该怎么办？", "诈骗"), MAP)
    assert result.value == Candidate("有人遇到诈骗该怎么办？", ("诈骗",), "k0", (7,))


def test_a_generated_prompt_carries_only_labels_that_the_map_knows() -> None:
    result = run(augment_keyword, keyword_row(), Answers("有人遇到诈骗该怎么办？", "诈骗、没有见过的标签"), MAP)
    assert result.value.labels == ("诈骗",)


def test_a_generated_prompt_off_its_category_is_rejected_with_what_it_was_labelled_as() -> None:
    result = run(augment_keyword, keyword_row(), Answers("有人问隐私怎么办？", "隐私"), MAP)
    assert (result.outcome, result.message) == (Outcome.REJECTED, "Labelled as PP, wanted CIA.")


def test_a_generated_prompt_cut_off_by_the_token_limit_is_truncated() -> None:
    assert run(augment_keyword, keyword_row(), Answers(Reply("有人", "length")), MAP).outcome == Outcome.TRUNCATED


def test_variants_of_one_keyword_are_different_samples_of_the_cache() -> None:
    ask = Answers("有人遇到诈骗该怎么办？", "诈骗")
    run(augment_keyword, keyword_row(), ask, MAP)
    assert (ask.calls[0].sample, ask.calls[0].sampling.temperature) == (3, 1.0)


def test_a_related_prompt_names_its_parent() -> None:
    row = RelatedRow(9, "怎样识别诈骗？", "zh", "CIA", 0)
    assert run(augment_related, row, Answers("如何提醒家人防范诈骗？", "诈骗"), MAP).value.parents == (9,)


COT = "分析：涉及账号安全。\n解释：需要谨慎。\n回复：请启用双重验证。"


def test_only_the_reply_of_a_chain_of_thought_becomes_the_response() -> None:
    assert run(regenerate, ROW, Answers(COT)).value == NewResponse("请启用双重验证。", "k0")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(COT, "length"), Outcome.TRUNCATED),
        (Reply("", "content_filter"), Outcome.PROVIDER_REFUSED),
        (Reply("请启用双重验证。"), Outcome.UNPARSED),
    ],
)
def test_a_regeneration_that_cannot_be_used_says_why(reply: Reply, outcome: Outcome) -> None:
    assert run(regenerate, ROW, Answers(reply)).outcome == outcome


def test_perplexity_keeps_the_likelihood_with_its_tokens() -> None:
    (score,) = run(perplexity, ROW, Answers(likelihood=Likelihood(2.5, 3))).value
    assert (score.value, score.detail) == (2.5, {"tokens": 3, "truncated": False, "unreliable": True})


def test_an_empty_text_has_no_perplexity() -> None:
    assert run(perplexity, ROW, Answers(likelihood=None)).outcome == Outcome.REJECTED


def responses(count: int) -> tuple[ResponseRow, ...]:
    return tuple(ResponseRow(n, f"回复{n}", "imported") for n in range(1, count + 1))


def with_responses(count: int) -> PromptRow:
    return PromptRow(1, "问题", "zh", responses=responses(count))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_every_response_stands_in_a_pair(count: int) -> None:
    paired = {one.id for pair in response_safety.pairs(responses(count)) for one in pair}
    assert set(range(1, count + 1)) <= paired


def test_both_orders_of_a_pair_are_asked_and_averaged() -> None:
    result = run(response_safety, with_responses(2), Answers("[0.9, 0.2]", "[0.3, 0.8]"))
    assert {one.response: one.value for one in result.value} == pytest.approx({1: 0.85, 2: 0.25})


def test_the_scores_of_both_orders_are_kept() -> None:
    result = run(response_safety, with_responses(2), Answers("[0.9, 0.2]", "[0.3, 0.8]"))
    assert result.value[0].detail == {"given": [0.9, 0.8]}


def by_fallback(text: str) -> Reply:
    return Reply(text, key="b", way=(("judge", "a"), ("other", "b")))


def test_a_score_of_a_fallback_says_who_gave_it() -> None:
    assert run(instruction_safety, ROW, Answers(by_fallback("0.35"))).value[0].detail == {"answered_by": ["other"]}


def test_scores_of_a_fallback_in_one_of_both_orders_say_so() -> None:
    result = run(response_safety, with_responses(2), Answers(by_fallback("[0.9, 0.2]"), "[0.3, 0.8]"))
    assert [one.detail["answered_by"] for one in result.value] == [["other"], ["other"]]


def test_a_single_response_is_scored_alone() -> None:
    (score,) = run(response_safety, with_responses(1), Answers("[0.9, 0.1]", "[0.1, 0.7]")).value
    assert (score.response, score.value) == (1, pytest.approx(0.8))


def test_a_score_that_is_no_list_of_two_numbers_is_unparsed() -> None:
    assert run(response_safety, with_responses(2), Answers("0.9")).outcome == Outcome.UNPARSED


def test_a_prompt_without_response_is_not_scored() -> None:
    assert run(response_safety, with_responses(0), Answers()).outcome == Outcome.REJECTED


def test_the_safety_of_an_instruction_is_one_number() -> None:
    assert run(instruction_safety, ROW, Answers("0.35")).value[0].value == 0.35


def test_a_number_out_of_range_is_unparsed() -> None:
    assert run(instruction_safety, ROW, Answers("3")).outcome == Outcome.UNPARSED
