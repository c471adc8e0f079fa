"""SIGKILL at the worst moments: what was done stays, nothing is done twice, and the end is that of a quiet run."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from madsafe_web.core.runs import service, stages, worker
from madsafe_web.core.runs.job import Job
from madsafe_web.core.runs.stage import WholeStage
from tests.helpers.installation import (
    ROOT,
    Finished,
    Installation,
    Running,
    import_of,
    prompt_file,
    wait_until,
)

pytestmark = pytest.mark.slow
Install = Callable[[str], Installation]
TRAIN = {"base_endpoint": "base", "learning_rate": 0.003, "epochs": 4, "batch": 1, "accumulation": 2}
ENDPOINTS = {"base": {"backend": "tiny_llama"}}


# A command that ends by SIGKILL right after it has written the first rows of `label`. A kill from outside would have to
# find the moment, and `label` is over in less than a second.
KILLED_IN_LABEL = """
import os, signal, sys
import django
django.setup()
from django.core.management import execute_from_command_line
from madsafe_web.core.runs.hand import Hand
store = Hand._store
def store_and_die(hand, group, *arguments):
    store(hand, group, *arguments)
    if group.finished and hand.run.stage == "label":
        os.kill(os.getpid(), signal.SIGKILL)
Hand._store = store_and_die
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


def kill_in_label(installation: Installation, *command: str) -> None:
    """Run `manage.py` until it has written the first rows of `label`, and no further."""
    ended = installation.start("-c", KILLED_IN_LABEL, *command, DJANGO_SETTINGS_MODULE="madsafe_web.settings").wait(90)
    assert ended.code == -signal.SIGKILL, ended.err


def sample_stages(until: str) -> list[Any]:
    """The stages of the bundled sample up to and with one of them."""
    stages = yaml.safe_load((ROOT / "examples" / "sample.yaml").read_text(encoding="utf-8"))["stages"]
    names = [entry if isinstance(entry, str) else next(iter(entry)) for entry in stages]
    return list(stages[: names.index(until) + 1])


def label_chain(installation: Installation, rows: int) -> str:
    path = prompt_file(installation.folder, rows)
    return installation.chain([import_of(path, name="prompts"), "label", "suggest"])


def start(installation: Installation, chain: str) -> Running:
    return installation.start("manage.py", "run_pipeline", chain, "--json")


def finish(installation: Installation, chain: str) -> Finished:
    done = installation.manage("run_pipeline", chain, "--json", seconds=120)
    assert done.code == 0, done.err
    return done


def stage_rows(installation: Installation, stage: str) -> int:
    """Outcomes of a stage's rows so far."""
    return int(
        installation.one(
            f"SELECT COUNT(*) FROM core_runrow w JOIN core_run r ON r.id = w.run_id WHERE r.stage='{stage}'"
        )
    )


def test_a_command_killed_in_the_middle_of_a_stage_goes_on_where_it_stopped(install: Install) -> None:
    rows = 6000
    quiet, killed = install("quiet"), install("killed")
    expected = finish(quiet, label_chain(quiet, rows)).counts
    chain = label_chain(killed, rows)
    kill_in_label(killed, "run_pipeline", chain)
    before = stage_rows(killed, "label")
    assert 0 < before < rows
    assert finish(killed, chain).counts == expected
    assert stage_rows(killed, "label") == rows
    links = "SELECT COUNT(*), COUNT(DISTINCT prompt_id), COUNT(DISTINCT label_id) FROM annotation_promptintent"
    assert killed.rows(links) == quiet.rows(links)


def cheap_chain(installation: Installation) -> str:
    return installation.chain(sample_stages("export"), endpoints=ENDPOINTS)


def rows_read(installation: Installation) -> int:
    """Rows that all stages have read so far."""
    return int(installation.one("SELECT COALESCE(SUM(read), 0) FROM core_chunk"))


def kill_at(installation: Installation, chain: str, mark: int) -> bool:
    """Start the chain and kill it once so many rows were read, one more than before at least; whether it still ran."""
    running = start(installation, chain)
    mark = max(mark, rows_read(installation) + 1)
    wait_until(lambda: running.process.poll() is not None or rows_read(installation) >= mark, 60, f"{mark} rows")
    alive = running.process.poll() is None
    running.kill()
    return alive


def frozen(installation: Installation) -> dict[tuple[str, ...], float]:
    """Each sample of the frozen set by its texts and kind (1.0), and each of its scores.

    Not the file's hash: a model's likelihood depends on its batch in the last digits (1e-7), and a kill changes which
    texts share a batch.
    """
    samples = installation.rows(
        "SELECT p.text, r.text, s.kind, s.scores FROM pipeline_alignmentsample s "
        "JOIN pipeline_alignmentset a ON a.id = s.alignment_set_id AND a.state = 'frozen' "
        "JOIN annotation_prompt p ON p.id = s.prompt_id JOIN annotation_response r ON r.id = s.response_id"
    )
    found: dict[tuple[str, ...], float] = {}
    for prompt, response, kind, stored in samples:
        scores = json.loads(stored) if isinstance(stored, str) else stored
        found |= {(prompt, response, kind): 1.0}
        found |= {(prompt, response, kind, name): value for name, value in scores.items()}
    return found


def test_a_chain_killed_at_random_moments_ends_with_the_same_counts_and_the_same_set(install: Install) -> None:
    quiet, killed = install("quiet"), install("killed")
    expected = finish(quiet, cheap_chain(quiet)).counts
    chain = cheap_chain(killed)
    marks = sorted(random.Random(20261123).sample(range(rows_read(quiet) * 4 // 5), 5))
    assert all([kill_at(killed, chain, mark) for mark in marks])
    assert finish(killed, chain).counts == expected
    assert frozen(quiet)
    assert frozen(killed) == pytest.approx(frozen(quiet), rel=1e-5)


def train_chain(installation: Installation) -> str:
    """The sample up to its export, then a training of some seconds."""
    return installation.chain([*sample_stages("export"), {"train": TRAIN}], endpoints=ENDPOINTS)


def training_folder(installation: Installation) -> Path | None:
    return next(iter(installation.var.glob("training/run-*")), None)


def record(installation: Installation) -> dict[str, Any]:
    """What the training process wrote about itself; {} while there is none."""
    folder = training_folder(installation)
    path = folder / "process.json" if folder else None
    return json.loads(path.read_text()) if path and path.is_file() else {}


def checkpoints(installation: Installation) -> list[int]:
    """Steps of the whole checkpoints so far."""
    folder = training_folder(installation)
    found = folder.glob("output/checkpoint-*/trainer_state.json") if folder else []
    return sorted(int(path.parent.name.rsplit("-", 1)[1]) for path in found)


def points(installation: Installation) -> list[tuple[Any, ...]]:
    return installation.rows("SELECT step, total FROM pipeline_losspoint ORDER BY step")


def test_a_killed_training_is_brought_back_by_the_command_that_watches_it(install: Install) -> None:
    made = install("killed")
    running = start(made, train_chain(made))
    wait_until(lambda: checkpoints(made), 80, "a checkpoint")
    first = record(made)
    os.killpg(int(first["pid"]), signal.SIGKILL)
    done = running.wait(90)
    assert done.code == 0, done.err
    assert record(made)["pid"] != first["pid"]
    assert_whole_training(made, launches=2)


def test_a_training_outlives_the_command_and_is_found_again(install: Install) -> None:
    made = install("killed")
    chain = train_chain(made)
    running = start(made, chain)
    wait_until(lambda: len(points(made)) > 1, 80, "points of the loss curve")
    first = record(made)
    running.kill()
    assert psutil.pid_exists(int(first["pid"]))
    finish(made, chain)
    assert record(made)["pid"] == first["pid"]
    assert_whole_training(made, launches=1)


def summary(installation: Installation) -> dict[str, Any]:
    """What a demo wrote, without its duration and where its log lies."""
    facts: dict[str, Any] = json.loads((installation.var / "demo" / "summary.json").read_text(encoding="utf-8"))
    del facts["seconds"], facts["training"]["log"]
    return facts


def test_a_demo_killed_in_label_and_in_train_ends_as_one_that_was_left_alone(install: Install) -> None:
    quiet, killed = install("quiet"), install("killed")
    undisturbed = quiet.manage("demo", "--no-serve", seconds=150)
    assert undisturbed.code == 0, undisturbed.err
    kill_in_label(killed, "demo", "--no-serve")
    assert killed.rows("SELECT state FROM core_run WHERE stage = 'label'") == [("running",)]
    second = killed.start("manage.py", "demo", "--no-serve")
    wait_until(lambda: checkpoints(killed), 80, "a checkpoint")
    os.killpg(int(record(killed)["pid"]), signal.SIGKILL)
    done = second.wait(150)
    assert done.code == 0, done.err
    assert killed.rows("SELECT launches FROM pipeline_trainingrun") == [(2,)]
    assert summary(killed) == summary(quiet)


def assert_whole_training(made: Installation, launches: int) -> None:
    """One training with every step once, all samples counted, a model of its own."""
    ((samples, started, base, tuned),) = made.rows(
        "SELECT config, launches, base_sha256, tuned_sha256 FROM pipeline_trainingrun"
    )
    wanted = json.loads(samples)["samples"] if isinstance(samples, str) else samples["samples"]
    assert started == launches
    assert tuned and tuned != base
    steps = -(-wanted // TRAIN["accumulation"]) * TRAIN["epochs"]
    assert [step for step, _ in points(made)] == sorted({step for step, _ in points(made)})
    assert points(made)[-1] == (steps, steps)
    assert made.rows(
        "SELECT SUM(c.read), r.total FROM core_chunk c JOIN core_run r ON r.id = c.run_id"
        " WHERE r.stage = 'train' GROUP BY r.id"
    ) == [(wanted, wanted)]


@dataclass(frozen=True, slots=True)
class NoParams:
    pass


def counting(job: Job) -> None:
    with job.commit(kept=3):
        pass
    raise KilledHere


class KilledHere(BaseException):
    """In the place of a SIGKILL: nothing of the engine catches it."""


@pytest.mark.django_db(transaction=True)
def test_a_kill_right_after_the_last_rows_were_counted_does_not_count_them_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = WholeStage(name="counting", params=NoParams, work=f"{__name__}:counting")
    monkeypatch.setattr(stages, "stages", lambda: {"counting": whole})
    run = service.run_create(stage_name="counting", values={})
    service.run_start(run)
    with pytest.raises(KilledHere):
        worker.work_on(run.pk)
    assert worker.work_on(run.pk).state == "done"
    assert service.counts(run)["read"] == 3
