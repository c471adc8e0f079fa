"""Database side of the scoring stages."""

from __future__ import annotations

from annotation.rows import PromptRow
from annotation.versions import data_changed
from madsafe_web.core.llm.endpoints import endpoint_get
from madsafe_web.core.models import Run
from madsafe_web.core.runs.stage import Result
from pipeline.models import Score


def scorer_name(run: Run) -> str:
    """Which model gave a score: endpoint and model, at most 64 characters; scores of two scorers are never mixed."""
    endpoint = endpoint_get(run.params["endpoint"])
    return f"{endpoint.name}:{endpoint.model}"[-64:]


def scores_write(run: Run, rows: list[tuple[str, PromptRow, Result]]) -> list[Result]:
    """Writer of the scoring stages: a value is a tuple of ScoreValue. A newer run of a scorer replaces its score.

    Where scoring failed, the older score stays.
    """
    scorer = scorer_name(run)
    new = [
        Score(
            kind=run.stage,
            prompt_id=row.id,
            response_id=one.response,
            scorer=scorer,
            value=one.value,
            detail=dict(one.detail),
            run=run,
        )
        for _, row, result in rows
        for one in result.value or ()
    ]
    scored = [row.id for _, row, result in rows if result.value is not None]
    old = Score.objects.filter(kind=run.stage, scorer=scorer, prompt__in=scored)
    if old.delete()[0]:
        data_changed()
    Score.objects.bulk_create(new, batch_size=1000)
    return [result for _, _, result in rows]
