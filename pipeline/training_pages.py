"""Reading what the pages of trainings show.

A training is known by its run: a row of its own appears only when a worker begins.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from madsafe_web.core.access import can
from madsafe_web.core.charts.figures import LossPoint as ChartPoint
from madsafe_web.core.charts.figures import LossWords, loss_curve
from madsafe_web.core.charts.shown import FigureShown
from madsafe_web.core.method import WORKING, run_name
from madsafe_web.core.models import Run, User
from madsafe_web.core.runs.pages import Item, Notice, duration, notice, parameters
from pipeline.models import LossPoint, TrainingRun

STOPPABLE = (Run.State.QUEUED, Run.State.RUNNING, Run.State.PAUSING)
MOST_POINTS = 400
MOST_EPOCH_MARKS = 12
LOG_LINES = 40
LOG_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class TrainingLine:
    """A training in a list; `step` of `steps`, both 0 before the first logged step."""

    id: int
    name: str
    state: str
    step: int
    steps: int
    first_loss: float | None
    loss: float | None
    base_model: str
    set_id: int
    set_name: str
    started: datetime | None


@dataclass(frozen=True, slots=True)
class TrainingShown:
    """A training on its own page; `percent` 0..100, `loss` in nats per token."""

    id: int
    name: str
    base_model: str
    set_id: int
    set_name: str
    state: str
    live: bool
    can_stop: bool
    percent: float
    step: int
    steps: int
    epoch: float
    epochs: str
    loss: float | None
    learning_rate: str
    seconds_per_step: float | None
    left: str
    heartbeat: datetime | None
    notice: Notice | None
    withdrawn: int  # samples of its set whose corpus was withdrawn since


@dataclass(frozen=True, slots=True)
class Checkpoint:
    name: str
    size: int
    when: datetime


def with_points(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Training runs that were started, each with its set and the ends of its loss curve."""
    points = LossPoint.objects.filter(training__run=OuterRef("pk"))
    last = points.order_by("-step")
    return (
        runs.filter(stage="train")
        .exclude(state=Run.State.DRAFT)
        .select_related("training__alignment_set")
        .annotate(
            first_loss=Subquery(points.order_by("step").values("loss")[:1]),
            last_loss=Subquery(last.values("loss")[:1]),
            last_step=Subquery(last.values("step")[:1]),
            steps=Subquery(last.values("total")[:1]),
        )
    )


def training_of(run: Run) -> TrainingRun | None:
    """The training of a run; None until a worker has begun."""
    return getattr(run, "training", None)


def training_lines(runs: Sequence[Any]) -> list[TrainingLine]:
    """The runs of `with_points` as lines of a list, without a query."""
    return [
        TrainingLine(
            run.pk,
            run_name(run),
            run.state,
            run.last_step or 0,
            run.steps or 0,
            run.first_loss,
            run.last_loss,
            *model_and_set(run),
            run.started,
        )
        for run in runs
    ]


def model_and_set(run: Run) -> tuple[str, int, str]:
    """Base model, id and name of the set; before a worker has begun, what the run was asked for."""
    training = training_of(run)
    if training:
        return training.base_model, training.alignment_set_id, training.alignment_set.name
    wanted = run.params["set_id"]
    return run.params["base_endpoint"], wanted, _("Set #%(id)s") % {"id": wanted} if wanted else _("Newest frozen set")


def training_shown(run: Run, last: LossPoint | None, user: User) -> TrainingShown:
    """The training as far as its `last` logged step says, without a query."""
    training = training_of(run)
    base_model, set_id, set_name = model_and_set(run)
    pace = seconds_per_step(run, training, last)
    live = run.state in WORKING
    left = duration(timedelta(seconds=pace * (last.total - last.step))) if live and pace and last else ""
    return TrainingShown(
        id=run.pk,
        name=run_name(run),
        base_model=base_model,
        set_id=set_id,
        set_name=set_name,
        state=run.state,
        live=live,
        can_stop=can(user, "train") and run.state in STOPPABLE,
        percent=100 * last.step / last.total if last else 0.0,
        step=last.step if last else 0,
        steps=last.total if last else 0,
        epoch=(last.epoch or 0.0) if last else 0.0,
        epochs=f"{run.params['epochs']:g}",
        loss=last.loss if last else None,
        learning_rate=f"{last.lr:.2e}" if last and last.lr is not None else "",
        seconds_per_step=pace,
        left=left,
        heartbeat=training.heartbeat if training else None,
        notice=notice(run.error),
        withdrawn=training.alignment_set.withdrawn if training else 0,
    )


def seconds_per_step(run: Run, training: TrainingRun | None, last: LossPoint | None) -> float | None:
    """The pace since the start; None where the process was started more than once, since then it is not known."""
    if not (
        training
        and training.heartbeat
        and run.started
        and last
        and training.launches == 1
        and run.resumed in (None, run.started)
    ):
        return None
    return max(0.0, (training.heartbeat - run.started).total_seconds()) / last.step


def loss_figure(points: Sequence[LossPoint], epochs: float) -> FigureShown | None:
    """The loss curve as JSON, for a fragment that is swapped in; None before the first point."""
    if not points:
        return None
    total = points[-1].total
    shown = thinned(points)
    chart = loss_curve(
        [ChartPoint(one.step, round(one.loss, 4), None, one.lr) for one in shown],
        total_steps=total,
        epochs=epoch_marks(total, epochs),
        words=LossWords(_("Step"), _("Loss"), _("Evaluation loss"), _("Learning rate"), _("Optimiser step")),
    )
    return FigureShown(
        id="fig-loss",
        title=_("Loss and learning rate"),
        alt=_("A line: the training loss by step, with the learning rate below."),
        size="loss",
        table=chart.table,
        json=json.dumps(chart.figure),
        note=""
        if len(shown) == len(points)
        else _("%(shown)s of %(all)s steps are drawn.") % {"shown": len(shown), "all": len(points)},
    )


def thinned(points: Sequence[LossPoint]) -> list[LossPoint]:
    """Evenly spread points, at most MOST_POINTS and the last one: the page is polled while a training runs."""
    stride = -(-len(points) // MOST_POINTS)
    return [one for place, one in enumerate(points) if place % stride == 0 or place == len(points) - 1]


def epoch_marks(total: int, epochs: float) -> list[tuple[int, str]]:
    """The step each epoch begins with, and its name; none where there are too many to read."""
    whole = int(-(-epochs // 1))
    if not 1 < whole <= MOST_EPOCH_MARKS:
        return []
    return [(round(number * total / epochs), _("Epoch %(number)s") % {"number": number + 1}) for number in range(whole)]


def log_tail(folder: Path) -> str:
    """The last lines of the training's log, of a progress bar only its newest state; "" where there is none."""
    try:
        with (folder / "train.log").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join([line for line in lines if line.strip()][-LOG_LINES:])


def checkpoints(folder: Path) -> list[Checkpoint]:
    """The saved checkpoints, newest first. One that is being deleted meanwhile is left out."""
    found = []
    for path in (folder / "output").glob("checkpoint-*"):
        try:
            size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
            saved = timezone.make_aware(datetime.fromtimestamp(path.stat().st_mtime))
        except FileNotFoundError:
            continue
        found.append(Checkpoint(path.name, size, saved))
    return sorted(found, key=lambda one: one.when, reverse=True)


def hashes(training: TrainingRun | None) -> list[Item]:
    """The fingerprints that are known so far."""
    if training is None:
        return []
    known = {
        _("Base model"): training.base_sha256,
        _("Alignment set"): training.alignment_set.sha256,
        _("Tuned model"): training.tuned_sha256,
    }
    return [Item(name, value) for name, value in known.items() if value]


def folder_of(training: TrainingRun | None) -> Path | None:
    return Path(settings.VAR_DIR, training.folder) if training else None


def progress_context(run: Run, user: User) -> dict[str, Any]:
    """What the polled part of the page shows, in one query."""
    training = training_of(run)
    points = list(training.points.all()) if training else []
    folder = folder_of(training)
    return {
        "training": training_shown(run, points[-1] if points else None, user),
        "figure": loss_figure(points, run.params["epochs"]),
        "log": log_tail(folder) if folder else "",
    }


def page_context(run: Run, user: User) -> dict[str, Any]:
    """What the whole page shows."""
    training = training_of(run)
    folder = folder_of(training)
    return progress_context(run, user) | {
        "parameters": parameters(run),
        "hashes": hashes(training),
        "checkpoints": checkpoints(folder) if folder else [],
    }
