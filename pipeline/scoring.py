"""Database side of the scoring stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from annotation.rows import PromptRow
from annotation.versions import data_changed
from madsafe_web.core.llm.endpoints import endpoint_get
from madsafe_web.core.models import Run
from madsafe_web.core.runs.stage import Outcome, Result
from pipeline.models import Score

NEWER = "A run that started later has scored it; its score stays."


def scorer_name(run: Run) -> str:
    """Which model the run asks for scores: endpoint and model, at most 64 characters.

    Scores of two scorers are never mixed, but for what a provider refuses: the fallback's score stands under the name
    of the run's scorer, and its `detail` says in `answered_by` who gave it.
    """
    endpoint = endpoint_get(run.params["endpoint"])
    return f"{endpoint.name}:{endpoint.model}"[-64:]


def scores_write(run: Run, rows: list[tuple[str, PromptRow, Result]]) -> list[Result]:
    """Writer of the scoring stages: a value is a tuple of ScoreValue. A newer run of a scorer replaces its score.

    Where scoring failed, the older score stays. Where a run that started later has scored, as when failed rows of this
    one are asked once more, that score stays, and the row counts as a duplicate.
    """
    scorer = scorer_name(run)
    scored = [row.id for _, row, result in rows if result.value is not None]
    old = Score.objects.filter(kind=run.stage, scorer=scorer, prompt__in=scored)
    newer = set(old.filter(_later(run)).values_list("prompt_id", flat=True))
    if old.exclude(prompt__in=newer).delete()[0]:
        data_changed()
    Score.objects.bulk_create(
        [
            Score(
                kind=run.stage,
                prompt_id=row.id,
                response_id=one.response,
                scorer=scorer,
                value=one.value,
                detail=_told(one.detail),
                run=run,
            )
            for _, row, result in rows
            if row.id not in newer
            for one in result.value or ()
        ],
        batch_size=1000,
    )
    stays = Result(None, Outcome.DUPLICATE, NEWER)
    return [stays if result.value is not None and row.id in newer else result for _, row, result in rows]


def _told(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The detail of a score as it is stored: who answered for the scorer as "endpoint / model"."""
    names = detail.get("answered_by", ())
    told = ", ".join(f"{name} / {endpoint_get(name).model}" for name in names)
    return {**detail, "answered_by": told} if told else dict(detail)


def _later(run: Run) -> Q:
    """Scores of runs that started after this one, of two at the same moment the one that was made later."""
    began = run.started or run.created
    return Q(run__started__gt=began) | Q(run__started=began, run__gt=run.pk)
