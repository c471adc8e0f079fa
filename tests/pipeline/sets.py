"""Sets and trainings for the tests of their pages."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from madsafe_web.core.models import Run
from pipeline.models import AlignmentSample, AlignmentSet, LossPoint, TrainingRun
from tests.factories import make_corpus, make_map, make_prompts, make_response, make_run

S = Run.State
FROZEN = AlignmentSet.State.FROZEN
PARAMS = {"set_id": 0, "base_endpoint": "base", "epochs": 3.0, "learning_rate": 6e-7}


def made_set(name: str = "Set", state: str = FROZEN, safety: int = 3, general: int = 2) -> AlignmentSet:
    """A set of so many samples, of which one safety prompt more was selected than it holds now."""
    run = make_run("select")
    made = AlignmentSet.objects.create(
        name=name,
        state=state,
        run=run,
        rule={"name": name, "perplexity_quantile": 0.9, "response_min": 0.6, "instruction_max": 0.8},
        counts={
            "safety": safety + 1,
            "general": general,
            "left_out": {"without a score": 1, "not fluent enough": 2, "too harmless an instruction": 3},
        },
        merge_map=make_map(),
        sha256="ab" * 32,
        frozen=timezone.now() if state == FROZEN else None,
    )
    prompts = make_prompts(safety + general, make_corpus(f"Corpus of {name}"))
    kinds = ["safety"] * safety + ["general"] * general
    rows = [
        AlignmentSample(
            alignment_set=made,
            prompt=prompt,
            response=make_response(prompt),
            kind=kind,
            category="CIA" if kind == "safety" else "",
        )
        for prompt, kind in zip(prompts, kinds, strict=True)
    ]
    AlignmentSample.objects.bulk_create(rows)
    return made


def training_run(state: str = S.RUNNING, made: AlignmentSet | None = None, points: int = 0, **values: Any) -> Run:
    """A run of `train`; with a set, also the training that a worker made of it, with so many logged steps of 20."""
    run = make_run("train", state, params=PARAMS, started=timezone.now(), **values)
    if made:
        training = TrainingRun.objects.create(
            run=run, alignment_set=made, base_model="base", base_sha256="cd" * 32, folder=f"training/run-{run.pk}"
        )
        steps = range(1, points + 1)
        rows = [LossPoint(training=training, step=n, total=20, loss=3 - n / 10, lr=1e-5, epoch=n / 10) for n in steps]
        LossPoint.objects.bulk_create(rows)
    return run
