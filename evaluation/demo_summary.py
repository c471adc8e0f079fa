"""What the demo reports, all of it read from the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from annotation.models import IntentLabel
from evaluation import selectors
from madsafe_web.core.management.commands.run_pipeline import OFFLINE_MARK
from madsafe_web.core.models import Run
from madsafe_web.core.runs import service
from pipeline.models import AlignmentSet, TrainingRun


@dataclass(frozen=True, slots=True)
class Summary:
    """The facts, and how they look on one screen."""

    facts: dict[str, Any]

    def screen(self) -> str:
        lines = ["", f"{'stage':<20}{'read':>8}{'kept':>8}{'dup.':>8}{'rejected':>10}{'failed':>8}"]
        for row in self.facts["stages"]:
            counts = f"{row['read']:>8}{row['kept']:>8}{row['duplicate']:>8}{row['rejected']:>10}{row['failed']:>8}"
            lines.append(f"{row['stage']:<20}{counts}")
        made, training = self.facts["alignment_set"], self.facts["training"]
        lines += ["", f"{self.facts['labels']} intent labels"]
        lines.append(f"alignment set of {made['rows']} samples, sha256 {made['sha256'][:12]}")
        lines.append(f"training loss {training['first_loss']:.3f} -> {training['last_loss']:.3f} ({training['log']})")
        for row in self.facts["evaluations"]:
            low, high = row["interval"]
            what = f"{row['benchmark']:<12} {row['model']:<6} n={row['n']:<5}"
            lines.append(f"{what} {row['score']:.3f} [{low:.3f}, {high:.3f}]")
        lines.append(f"{self.facts['open_reviews']} uncertain verdicts wait for a reviewer")
        lines.append(f"{self.facts['seconds']:.0f} seconds")
        return "\n".join([*lines, OFFLINE_MARK, ""])


def summary_of(runs: Sequence[Run], seconds: float) -> Summary:
    """The summary of a finished chain that ended with `train` and `evaluate`."""
    by_stage = {run.stage: run for run in runs}
    made = AlignmentSet.objects.get(pk=by_stage["freeze"].outputs["set"])
    return Summary(
        {
            "seconds": round(seconds, 1),
            "stages": [{"stage": run.stage, "run": run.pk, "state": run.state, **service.counts(run)} for run in runs],
            "labels": IntentLabel.objects.count(),
            "alignment_set": {"rows": made.samples.count(), "sha256": made.sha256},
            "training": training_facts(by_stage["train"]),
            "evaluations": selectors.summary_rows(by_stage["evaluate"]),
            "open_reviews": selectors.open_reviews(),
        }
    )


def training_facts(run: Run) -> dict[str, Any]:
    """Log, losses and hashes of a finished training; the path is relative to the project where it lies inside."""
    training = TrainingRun.objects.get(run=run)
    points = list(training.points.order_by("step"))
    log = Path(settings.VAR_DIR, training.folder, "output", "trainer_log.jsonl")
    inside = log.is_relative_to(settings.BASE_DIR)
    return {
        "log": str(log.relative_to(settings.BASE_DIR) if inside else log),
        "first_loss": points[0].loss,
        "last_loss": points[-1].loss,
        "base_sha256": training.base_sha256,
        "tuned_sha256": training.tuned_sha256,
    }
