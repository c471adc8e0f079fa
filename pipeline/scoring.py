"""Database side of the scoring stages."""

from __future__ import annotations

from dataclasses import replace

from django.db.models import Q

from annotation.models import Prompt
from annotation.rows import PromptRow
from annotation.versions import data_changed
from madsafe_web.core.llm.endpoints import endpoint_get
from madsafe_web.core.models import Run
from madsafe_web.core.runs.stage import Outcome, Result
from pipeline.models import Score

NEWER = "A run that started later has scored it; its score stays."


def scorer_name(run: Run) -> str:
    """Which model gave a score: endpoint and model, at most 64 characters; scores of two scorers are never mixed."""
    endpoint = endpoint_get(run.params["endpoint"])
    return f"{endpoint.name}:{endpoint.model}"[-64:]


def scores_write(run: Run, rows: list[tuple[str, PromptRow, Result]]) -> list[Result]:
    """Writer of the scoring stages: a value is a tuple of ScoreValue. A newer run of a scorer replaces its score.

    Where scoring failed, the older score stays. Where a run that started later has scored, as when failed rows of this
    one are asked once more, that score stays, and a row without any other counts as a duplicate. Call inside a
    transaction.
    """
    scorer = scorer_name(run)
    scored = [row.id for _, row, result in rows if result.value is not None]
    _lock(scored)
    old = Score.objects.filter(kind=run.stage, scorer=scorer, prompt__in=scored)
    newer = list(old.filter(_later(run)).values_list("pk", "prompt", "response"))
    if old.exclude(pk__in=[pk for pk, _, _ in newer]).delete()[0]:
        data_changed()
    stay: set[tuple[int, int | None]] = {(prompt, response) for _, prompt, response in newer}
    written = [_without(stay, row, result) for _, row, result in rows]
    Score.objects.bulk_create(
        [
            Score(
                kind=run.stage,
                prompt_id=row.id,
                response_id=one.response,
                scorer=scorer,
                value=one.value,
                detail=dict(one.detail),
                run=run,
            )
            for (_, row, _), result in zip(rows, written, strict=True)
            for one in result.value or ()
        ],
        batch_size=1000,
    )
    return written


def _lock(prompts: list[int]) -> None:
    """Make another run that scores these prompts wait, so that what is read of its scores holds until the end."""
    locked = Prompt.objects.select_for_update(no_key=True).filter(pk__in=prompts)
    list(locked.order_by("pk").values_list("pk", flat=True))  # one order for all workers: no deadlock


def _without(stay: set[tuple[int, int | None]], row: PromptRow, result: Result) -> Result:
    """The result without what has a newer score; where it had nothing else, a duplicate."""
    if not result.value:
        return result
    values = tuple(one for one in result.value if (row.id, one.response) not in stay)
    return replace(result, value=values) if values else Result(None, Outcome.DUPLICATE, NEWER)


def _later(run: Run) -> Q:
    """Scores of runs that started after this one, of two at the same moment the one that was made later."""
    began = run.started or run.created
    return Q(run__started__gt=began) | Q(run__started=began, run__gt=run.pk)
