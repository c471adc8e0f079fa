"""What the stage `train` makes of the state of its process; the process itself is tested in tests/pipeline/training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import gettext

from annotation.models import Corpus, Prompt, Response
from madsafe_web.core.llm.endpoints import endpoint_declare, endpoint_get
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service
from madsafe_web.core.runs.worker import work_on
from madsafe_web.core.textio import write_jsonl
from pipeline import tuning
from pipeline.freezing import export_file
from pipeline.models import AlignmentSample, AlignmentSet, TrainingRun
from pipeline.training import log_reader, preflight, process
from pipeline.training.process import ExitState

pytestmark = pytest.mark.django_db(transaction=True)


class Stage:
    """A process that goes through the given states, one each time it is looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *states: ExitState) -> None:
        self.states, self.launches, self.stops = list(states), 0, 0
        self.points: list[log_reader.LossPoint] = []
        monkeypatch.setattr(process, "exit_state", lambda folder: self.states.pop(0))
        monkeypatch.setattr(process, "launch", self.launch)
        monkeypatch.setattr(process, "stop", self.stop)
        monkeypatch.setattr(log_reader, "read", lambda path, offset: (self.points, 10))
        monkeypatch.setattr(preflight, "check", lambda *_: [])
        monkeypatch.setattr(tuning, "LOOK_S", 0.0)
        monkeypatch.setattr(tuning, "model_sha256", lambda folder: "tuned" if folder.name == "output" else "base")

    def launch(self, folder: Path, yaml: Path) -> process.Process:
        self.launches += 1
        return process.Process(4711, 1.0)

    def stop(self, folder: Path) -> None:
        self.stops += 1


@pytest.fixture
def frozen(settings: Any, tmp_path: Path) -> AlignmentSet:
    """A frozen and exported set of one sample, and a base model to train."""
    settings.VAR_DIR = tmp_path
    endpoint_declare("base", {"backend": "transformers", "model": str(tmp_path)})
    home = Corpus.objects.create(name="c", format="x", role="alignment")
    prompt = Prompt.objects.create(corpus=home, key=b"k", text="问", language="zh")
    response = Response.objects.create(prompt=prompt, key=b"r", text="答")
    made = AlignmentSet.objects.create(name="s", state="frozen", run=Run.objects.create(stage="select"))
    AlignmentSample.objects.create(alignment_set=made, prompt=prompt, response=response, kind="safety")
    export_file(made).parent.mkdir(parents=True)
    write_jsonl(export_file(made), [{"instruction": "问", "input": "", "output": "答"}])
    return made


def train(**values: Any) -> Run:
    run = service.run_create(stage_name="train", values=values)
    service.run_start(run)
    return work_on(run.pk)


def test_a_finished_training_becomes_an_endpoint_with_its_hash(
    frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stage(monkeypatch, ExitState("running"), ExitState("finished"))
    run = train()
    assert (run.state, service.counts(run)["kept"]) == (Run.State.DONE, 1)
    tuned = endpoint_get(run.outputs["endpoint"])
    assert (tuned.model, tuned.options["sha256"]) == (f"training/run-{run.pk}/output", "tuned")


def test_a_process_that_vanished_is_started_again(frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, ExitState("lost"), ExitState("running"), ExitState("finished"))
    assert train().state == Run.State.DONE
    assert stage.launches == 2


def test_a_process_that_vanished_three_times_is_lost_and_can_be_resumed(
    frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch, *[ExitState("lost")] * 3, ExitState("finished"))
    run = train()
    assert run.state == Run.State.LOST
    assert "vanished 3 times" in run.error and "then resume" in run.error
    assert service.run_start(run)
    assert (work_on(run.pk).state, stage.launches) == (Run.State.DONE, 3)


def test_a_training_paused_many_times_has_not_vanished(frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, *[ExitState("stopped")] * 5, ExitState("finished"))
    monkeypatch.setattr(process, "stop_asked", lambda folder: stage.launches > 0)
    assert train().state == Run.State.DONE
    assert (stage.launches, TrainingRun.objects.get().launches) == (6, 1)


def test_a_training_that_ends_early_unasked_is_not_started_for_ever(
    frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch, *[ExitState("stopped")] * 9)
    assert (train().state, stage.launches) == (Run.State.LOST, 3)


def test_a_training_cancelled_while_no_worker_was_there_is_stopped_by_the_sweep(
    frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch, ExitState("running"), ExitState("finished"))
    run = train()
    TrainingRun.objects.update(pid=4711)
    Run.objects.filter(pk=run.pk).update(state=Run.State.CANCELLED)
    tuning.stop_abandoned()
    tuning.stop_abandoned()
    assert (stage.stops, TrainingRun.objects.get().pid) == (1, None)


def test_a_process_killed_by_a_signal_is_started_again(frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, ExitState("failed", "killed", -9), ExitState("finished"))
    assert train().state == Run.State.DONE
    assert stage.launches == 2


def test_an_error_of_the_trainer_fails_the_run_with_its_last_words(
    frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stage(monkeypatch, ExitState("failed", "ValueError: Undefined dataset nope.", 1))
    run = train()
    assert run.state == Run.State.FAILED
    assert run.error.startswith("LLaMA-Factory failed: ValueError: Undefined dataset nope.")


def test_a_loss_that_is_no_number_stops_the_process(frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, ExitState("running"))
    stage.points = [log_reader.LossPoint(1, 9, 2.0, 0.1, 0.1), log_reader.LossPoint(2, 9, math.nan, 0.1, 0.2)]
    run = train()
    assert (run.state, stage.stops) == (Run.State.FAILED, 1)
    assert "no longer a number at step 2" in run.error
    assert list(TrainingRun.objects.get().points.values_list("step", flat=True)) == [1]


def test_a_cancelled_training_stops_its_process(frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, *[ExitState("running")] * 500)
    run = service.run_create(stage_name="train", values={})
    service.run_start(run)
    original = tuning.watch

    def cancel_first(job: Any, folder: Path) -> None:
        service.run_cancel(run)
        job._heartbeat.stop_asked.set()
        original(job, folder)

    monkeypatch.setattr(tuning, "watch", cancel_first)
    assert (work_on(run.pk).state, stage.stops) == (Run.State.CANCELLED, 1)


def test_without_a_frozen_set_there_is_nothing_to_train_on(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    endpoint_declare("base", {"backend": "transformers", "model": str(tmp_path)})
    assert "no frozen alignment set" in train().error


def test_a_served_model_cannot_be_trained_here(frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch) -> None:
    Stage(monkeypatch)
    endpoint_declare("far", {"backend": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "model": "m"})
    assert "cannot be trained here" in train(base_endpoint="far").error


def test_what_is_missing_before_a_training_is_said_at_once(
    frozen: AlignmentSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stage(monkeypatch)
    advice = "Install requirements/train.txt."
    monkeypatch.setattr(
        preflight, "check", lambda *_: [preflight.Problem(gettext("LLaMA-Factory is not installed."), advice)]
    )
    with translation.override("zh-hans"):  # as a worker that was set up in Chinese
        error = train().error
    assert error == "LLaMA-Factory is not installed.\nInstall requirements/train.txt."
    assert not TrainingRun.objects.exists()
