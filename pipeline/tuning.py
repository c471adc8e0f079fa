"""Database side of the stage `train`: one detached LLaMA-Factory process, watched, brought back, and its result kept.

The process outlives the worker that started it: whoever works on the run next finds it by its folder and goes on
watching, or starts it again from its last checkpoint when it was killed.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.db.models.functions import Now
from django.utils import translation

from madsafe_web.core.llm.endpoints import endpoint_declare, endpoint_get, spec
from madsafe_web.core.llm.tiny_model import model_sha256
from madsafe_web.core.models import Endpoint, Run
from madsafe_web.core.runs.errors import ProcessLost, StageError, Stopped
from madsafe_web.core.runs.job import Job
from pipeline.freezing import export_file
from pipeline.models import AlignmentSet, LossPoint, TrainingRun
from pipeline.training import config, log_reader, preflight, process

LOOK_S = 1.0
MOST_LAUNCHES = 3  # a process that vanished this often is not brought back without a person


def train(job: Job) -> None:
    """Train to the end, or raise StageError, ProcessLost or Stopped with everything kept that was reached."""
    training = training_get(job)
    folder = Path(settings.VAR_DIR, training.folder)
    samples = training.config["samples"]
    job.total(samples)
    while True:
        store_points(job, training, folder)
        state = process.exit_state(folder) if training.launches else process.ExitState("lost")
        if state.state == "running":
            watch(job, folder)
        elif state.state == "finished":
            break
        elif state.state == "failed" and not killed(state):
            raise StageError(f"LLaMA-Factory failed: {state.message} The log is kept in {training.folder}/train.log.")
        else:
            launch(job, training, folder, vanished=not process.stop_asked(folder))
    complete(job, training, folder, samples)


def killed(state: process.ExitState) -> bool:
    """Whether the process ended by a signal from outside, which starting again may mend."""
    return state.returncode is not None and state.returncode < 0


def training_get(job: Job) -> TrainingRun:
    """The training of this run, made with its configuration and checked files the first time."""
    found = TrainingRun.objects.filter(run=job.run).first()
    if found:
        return found
    made = chosen_set(job)
    base = endpoint_get(job.params.base_endpoint)
    model = model_folder(base)
    dataset = export_file(made)
    wanted = training_config(job, model)
    folder = Path(settings.VAR_DIR, "training", f"run-{job.run.pk}")
    folder.mkdir(parents=True, exist_ok=True)
    with translation.override("en"):  # as everything that is stored, whatever MADSAFE_LANGUAGE is
        problems = preflight.check(wanted, dataset, folder)
    if problems:
        raise StageError("\n".join(f"{one.what}\n{one.what_to_do}" for one in problems))
    written = config.write(folder, wanted, dataset)
    with job.commit():
        return TrainingRun.objects.create(
            run=job.run,
            alignment_set=made,
            base_model=base.name,
            base_sha256=model_sha256(Path(model)),
            folder=f"training/run-{job.run.pk}",
            config={**config.as_settings(wanted, Path("dataset"), Path("output")), "samples": written.rows},
        )


def chosen_set(job: Job) -> AlignmentSet:
    """The frozen set to train on. Raises StageError when there is none."""
    frozen = AlignmentSet.objects.filter(state=AlignmentSet.State.FROZEN)
    if job.params.set_id:
        found = frozen.filter(pk=job.params.set_id).first()
    else:
        steps = Run.objects.filter(chain=job.run.chain, stage="freeze", step__lt=job.run.step, state=Run.State.DONE)
        last = steps.order_by("-step").first() if job.run.chain else None
        found = frozen.get(pk=last.outputs["set"]) if last else frozen.order_by("-frozen").first()
    if found is None:
        raise StageError("There is no frozen alignment set to train on. Run select, freeze and export first.")
    return found


def model_folder(endpoint: Endpoint) -> str:
    """The folder or hub name of an endpoint's model; the tiny model is made when it is not there yet."""
    if endpoint.backend == "tiny_llama":
        from madsafe_web.core.llm import tiny_llama

        return str(tiny_llama.folder())
    if endpoint.backend != "transformers":
        raise StageError(
            f"Endpoint '{endpoint.name}' is a {endpoint.backend} endpoint, whose weights cannot be trained here. "
            "Name an endpoint with the backend 'transformers' as the base model."
        )
    return spec(endpoint).model


def training_config(job: Job, model: str) -> config.TrainingConfig:
    """The parameters of the run in the terms of the training package. Raises StageError for one out of range."""
    wanted = job.params
    try:
        return config.TrainingConfig(
            model=model,
            template=wanted.template,
            cutoff_len=wanted.cutoff_len,
            batch_size=wanted.batch,
            accumulation=wanted.accumulation,
            learning_rate=wanted.learning_rate,
            warmup=wanted.warmup_ratio,
            epochs=wanted.epochs,
            seed=wanted.seed,
            device=device(wanted.device),
            bf16=wanted.bf16,
        )
    except ValueError as error:
        raise StageError(f"These training settings cannot be used: {error}") from error


def device(wanted: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    """The device that was asked for, or what this worker has."""
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def launch(job: Job, training: TrainingRun, folder: Path, *, vanished: bool) -> None:
    """Start the process, or start it again from its last whole checkpoint. Raises ProcessLost after three vanished.

    One that was stopped on purpose, by a pause, has not vanished and is started again any number of times.
    """
    if vanished and training.launches >= MOST_LAUNCHES:
        with job.commit():
            TrainingRun.objects.filter(pk=training.pk).update(launches=1)
        raise ProcessLost(
            f"The training process vanished {MOST_LAUNCHES} times. Its checkpoints are kept in {training.folder}; "
            "look at train.log there, then resume: it goes on from the last checkpoint."
        )
    with job.commit():
        training.launches += vanished
        training.save(update_fields=["launches"])
    started = process.launch(folder, folder / "train.yaml")
    with job.commit():
        training.pid, training.pid_started = started.pid, started.started
        training.save(update_fields=["pid", "pid_started"])
    again = "" if training.launches == 1 else f" again, from the last checkpoint (start {training.launches})"
    job.log(f"Training process {started.pid} started{again}.")


def watch(job: Job, folder: Path) -> None:
    """Wait a moment; when the run is to stop, let the process save and end, then raise Stopped."""
    try:
        job.check()
    except Stopped:
        process.stop(folder)
        TrainingRun.objects.filter(run=job.run).update(pid=None)
        raise
    time.sleep(LOOK_S)


def stop_abandoned() -> None:
    """Stop processes of trainings that were paused or cancelled while no worker was there to do it."""
    resting = (Run.State.PAUSED, Run.State.CANCELLED)
    for training in TrainingRun.objects.filter(pid__isnull=False, run__state__in=resting):
        process.stop(Path(settings.VAR_DIR, training.folder))
        TrainingRun.objects.filter(pk=training.pk).update(pid=None)


def store_points(job: Job, training: TrainingRun, folder: Path) -> None:
    """Take over new points of the loss curve together with the place in the log they were read up to.

    Raises StageError, with the process stopped, when the loss is no longer a number: it never becomes one again.
    """
    points, offset = log_reader.read(folder / "output" / "trainer_log.jsonl", training.log_offset)
    with job.commit():
        rows = [
            LossPoint(training=training, step=one.step, total=one.total, loss=one.loss, lr=one.lr, epoch=one.epoch)
            for one in points
            if math.isfinite(one.loss)
        ]
        LossPoint.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["training", "step"],
            update_fields=["total", "loss", "lr", "epoch"],
        )
        TrainingRun.objects.filter(pk=training.pk).update(log_offset=offset, heartbeat=Now())
    training.log_offset = offset
    broken = next((one.step for one in points if not math.isfinite(one.loss)), None)
    if broken:
        process.stop(folder)
        raise StageError(
            f"The loss is no longer a number at step {broken}: the learning rate is too high or the precision too low. "
            f"The process was stopped; what it wrote is kept in {training.folder}. Launch a new training."
        )


def complete(job: Job, training: TrainingRun, folder: Path, samples: int) -> None:
    """Name the tuned model as an endpoint of its own and note its hash."""
    base = endpoint_get(training.base_model)
    tuned = model_sha256(folder / "output")
    with job.commit(kept=samples):
        name = f"tuned-{job.run.pk}"
        options = {**base.options, "sha256": tuned}
        if base.backend == "tiny_llama" or training.alignment_set.offline_rules:
            options["offline_rules"] = True
            job.offline_rules()
        endpoint_declare(name, {"backend": "transformers", "model": f"{training.folder}/output", "options": options})
        TrainingRun.objects.filter(pk=training.pk).update(tuned_sha256=tuned, pid=None)
        job.output(endpoint=name, tuned_sha256=tuned, base_sha256=training.base_sha256)
