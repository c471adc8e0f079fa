"""Database side of the scoring stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

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
    """Which model the run asks for scores: endpoint and model, at most 64 characters.

    Scores of two scorers are never mixed, but for what a provider refuses: the fallback's score stands under the name
    of the run's scorer, and its `detail` says in `answered_by` who gave it.
    """
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
    models = _models(written)
    Score.objects.bulk_create(
        [
            Score(
                kind=run.stage,
                prompt_id=row.id,
                response_id=one.response,
                scorer=scorer,
                value=one.value,
                detail=_told(one.detail, models),
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


def _models(written: list[Result]) -> dict[str, str]:
    """The models of the endpoints that answered for the scorer, by the names of those."""
    values = [one for result in written for one in result.value or ()]
    names = {name for one in values for name in one.detail.get("answered_by", ())}
    return {name: endpoint_get(name).model for name in names}


def _told(detail: Mapping[str, Any], models: Mapping[str, str]) -> dict[str, Any]:
    """The detail of a score as it is stored: who answered for the scorer as "endpoint / model"."""
    told = ", ".join(f"{name} / {models[name]}" for name in detail.get("answered_by", ()))
    return {**detail, "answered_by": told} if told else dict(detail)


def _later(run: Run) -> Q:
    """Scores of runs that started after this one, of two at the same moment the one that was made later."""
    began = run.started or run.created
    return Q(run__started__gt=began) | Q(run__started=began, run__gt=run.pk)
