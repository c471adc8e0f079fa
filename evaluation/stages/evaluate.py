"""Put the benchmarks to the base model and to the tuned one (paper, chapters 4 and 5)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from evaluation.benchmarks import cvalues, new_safety, safetybench
from evaluation.judges import parse
from evaluation.rows import BENCHMARKS, NEW_SAFETY, SAFETYBENCH, AnswerValue, EvalRow, VoteValue
from madsafe_web.core.llm import templates
from madsafe_web.core.llm.base import CallError, EndpointDown, Sampling
from madsafe_web.core.runs.stage import Ask, Outcome, Result, RowStage

JUDGE_LANGUAGES = ("zh", "en")  # one vote each: two wordings of one rubric
JUDGE_TRIES = 2
JUDGE_TOKENS = 400
CVALUES_OPTIONS = (cvalues.FIRST, cvalues.SECOND)
NOT_HELPFUL = ("off_topic", "empty")


@dataclass(frozen=True, slots=True)
class Params:
    """Both model endpoints must give token probabilities where safetybench or cvalues are among the benchmarks.

    An empty `tuned_endpoint` is the model of the newest finished training. Of the verdicts that stay uncertain,
    `uncertain_left` per model wait for people (all of them without it); a rule settles the rest. `map` is the version
    of the merge map that says the categories of new_safety; without it the newest when the run starts.
    """

    benchmarks: list[str] = field(default_factory=lambda: list(BENCHMARKS))
    judge_endpoint: str = "rules"
    base_endpoint: str = "base"
    tuned_endpoint: str = ""
    per_category: int = 100
    seed: int = 20261123
    uncertain_left: int | None = None
    max_tokens: int = 256
    map: int | None = None


async def process(row: EvalRow, params: Params, context: None, ask: Ask) -> Result:
    """One model's answer to one item, judged where the benchmark has no right answer."""
    if row.benchmark == NEW_SAFETY:
        return await _judged(row, params, ask)
    try:
        return Result(await (_safetybench if row.benchmark == SAFETYBENCH else _cvalues)(row, ask))
    except ValueError as error:  # of the tokenizer, about this one prompt
        return Result(None, Outcome.ERROR, f"choice: {error}")


async def _safetybench(row: EvalRow, ask: Ask) -> AnswerValue:
    """The most probable option letter after "(" (CLP of the published script)."""
    item = safetybench.Item(row.item, row.category, row.text, row.options)
    prompt = safetybench.zero_shot(item, "en" if row.language == "en" else "zh")
    options = safetybench.clp_options(item)
    chosen = safetybench.clp_choice(await ask.choose(row.endpoint, safetybench.clp_prompt(prompt), options))
    return AnswerValue(f"({options[chosen]})", options[chosen], chosen == row.answer)


async def _cvalues(row: EvalRow, ask: Ask) -> AnswerValue:
    """The more probable name of a reply. The line break keeps the name apart from the end of the question in tokens."""
    chosen = safetybench.clp_choice(await ask.choose(row.endpoint, row.text + "\n", CVALUES_OPTIONS))
    return AnswerValue(CVALUES_OPTIONS[chosen], CVALUES_OPTIONS[chosen], chosen == row.answer)


async def _judged(row: EvalRow, params: Params, ask: Ask) -> Result:
    call = templates.render("chat", {"prompt": row.text}, Sampling(0.0, 1.0, params.max_tokens))
    reply = await ask(row.endpoint, replace(call, itself=True))  # this model is measured, and no fallback of it
    if reply.finish == "content_filter":
        return Result(None, Outcome.PROVIDER_REFUSED, "The provider's content filter refused.")
    if reply.finish == "thinking":  # there is no answer that could be judged
        message = "Thinking used up max_tokens, so that no answer came."
        return Result(None, Outcome.TRUNCATED, message, "thinking_used_up")
    votes = tuple(
        [
            await _vote(number, language, row, reply.text, params.judge_endpoint, ask)
            for number, language in enumerate(JUDGE_LANGUAGES, 1)
        ]
    )
    read = [vote for vote in votes if vote.verdict]
    judged = new_safety.consensus([_verdict(vote) for vote in votes]) if len(read) == len(votes) else "judge_error"
    off_topic = bool(read) and all(vote.response_type in NOT_HELPFUL for vote in read)
    return Result(AnswerValue(reply.text, generation=reply.key, votes=votes, judged=judged, off_topic=off_topic))


def _verdict(vote: VoteValue) -> new_safety.Verdict:
    return "safe" if vote.verdict == "safe" else "unsafe" if vote.verdict == "unsafe" else "uncertain"


async def _vote(number: int, language: str, row: EvalRow, response: str, endpoint: str, ask: Ask) -> VoteValue:
    """The judge's opinion in one wording. A failed call leaves an empty vote, so that people look at the answer."""
    name, definition = row.words[language]
    inputs = {
        "nonce": row.nonce,
        "category": f"{row.category} {name}",
        "definition": definition,
        "prompt": row.text,
        "response": response,
    }
    key, schema = "", parse.schema(row.codes)
    for sample in range(JUDGE_TRIES):
        call = templates.render(f"judge.{language}", inputs, Sampling(0.0, 1.0, JUDGE_TOKENS), sample, schema)
        try:
            reply = await ask(endpoint, call)
        except EndpointDown:
            raise
        except CallError as error:
            return VoteValue(number, "", reason_code=error.kind[:20])
        key, found = reply.key, parse.verdict(reply.text, row.codes)
        if found:
            return VoteValue(
                number, found.verdict, found.response_type, found.confidence, found.reason_code, generation=key
            )
    return VoteValue(number, "", reason_code="unreadable", generation=key)


STAGE = RowStage(
    name="evaluate",
    params=Params,
    plan="evaluation.planning:evaluate_keys",
    fetch="evaluation.answering:eval_rows",
    process=process,
    write="evaluation.answering:answers_write",
    finish="evaluation.reviewing:review_open",
    endpoints="evaluation.planning:endpoint_names",
    templates=("chat", "judge"),
)
