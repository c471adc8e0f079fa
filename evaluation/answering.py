"""Database side of the rows of stage `evaluate`: what is asked, and what was answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from annotation.models import Prompt
from annotation.selectors import categories_at, side
from annotation.text import clean
from evaluation.models import Answer, EvaluationRun, Item, Verdict, Vote
from evaluation.rows import NEW_SAFETY, AnswerValue, EvalRow, taxonomy_version
from madsafe_web.core.models import Run
from madsafe_web.core.runs.stage import Result

Words = dict[str, dict[str, tuple[str, str]]]


def eval_rows(run: Run, keys: Sequence[str]) -> list[tuple[str, EvalRow]]:
    """The rows behind keys "evaluation id:item id", in the order of the keys."""
    pairs = [(key, *_ids(key)) for key in keys]
    evaluations = EvaluationRun.objects.filter(run=run).select_related("version__benchmark", "endpoint").in_bulk()
    standing = Item.objects.exclude(prompt__state=Prompt.State.WITHDRAWN).select_related("prompt")
    items = standing.in_bulk({item for _, _, item in pairs})
    words = _words(evaluations.values())
    return [
        (key, _row(evaluations[evaluation], items[item], words))
        for key, evaluation, item in pairs
        if evaluation in evaluations and item in items
    ]


def _ids(key: str) -> tuple[int, int]:
    evaluation, item = key.split(":")
    return int(evaluation), int(item)


def _words(evaluations: Iterable[EvaluationRun]) -> Words:
    """Category code → language → name and definition, by the taxonomy of these evaluations of one run."""
    judged = (one for one in evaluations if one.version.benchmark.name == NEW_SAFETY)
    first = next(judged, None)
    return {
        code: {"zh": (row.name_zh, row.definition_zh), "en": (row.name_en, row.definition_en)}
        for code, row in (categories_at(taxonomy_version(first.settings)) if first else {}).items()
    }


def _row(evaluation: EvaluationRun, item: Item, words: Words) -> EvalRow:
    benchmark, payload = evaluation.version.benchmark.name, item.prompt.payload
    return EvalRow(
        evaluation=evaluation.pk,
        item=item.pk,
        benchmark=benchmark,
        endpoint=evaluation.endpoint.name,
        text=clean(item.prompt.text),
        language=side(item.prompt.language),
        category=item.category,
        words=words[item.category] if benchmark == NEW_SAFETY else {},
        options=tuple(payload.get("options", ())),
        answer=payload.get("answer"),
        nonce=nonce(evaluation.pk, item.pk),
        codes=tuple(words) if benchmark == NEW_SAFETY else (),
    )


def nonce(evaluation: int, item: int) -> str:
    """What fences the texts of this answer: the same at every try, unknown to whoever wrote the texts."""
    return hashlib.blake2b(f"{evaluation}:{item}".encode(), digest_size=8).hexdigest()


def answers_write(run: Run, rows: list[tuple[str, EvalRow, Result]]) -> list[Result]:
    """Writer of stage `evaluate`: a value is an AnswerValue."""
    found = [(row, result.value) for _, row, result in rows if isinstance(result.value, AnswerValue)]
    answers = [
        Answer(
            evaluation_id=row.evaluation,
            item_id=row.item,
            text=value.text,
            parsed=value.parsed,
            correct=value.correct,
            generation_id=value.generation or None,
        )
        for row, value in found
    ]
    Answer.objects.bulk_create(answers, batch_size=500)
    judged = [(answer, value) for answer, (_, value) in zip(answers, found, strict=True) if value.judged]
    votes = [
        Vote(
            answer=answer,
            number=vote.number,
            verdict=vote.verdict,
            response_type=vote.response_type,
            confidence=vote.confidence,
            reason_code=vote.reason_code,
            generation_id=vote.generation or None,
        )
        for answer, value in judged
        for vote in value.votes
    ]
    Vote.objects.bulk_create(votes, batch_size=500)
    verdicts = [Verdict(answer=answer, judged=value.judged, off_topic=value.off_topic) for answer, value in judged]
    Verdict.objects.bulk_create(verdicts, batch_size=500)
    return [result for _, _, result in rows]
