"""What this app has of the prompts of a withdrawn corpus: scores, sets with their files, and trainings."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db.models import Count
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.derived import Affected, Derived, Part
from annotation.models import Prompt
from madsafe_web.core.method import run_name
from madsafe_web.core.textio import write_jsonl
from pipeline.freezing import alpaca_rows, barred_prompts, export_file
from pipeline.models import AlignmentSample, AlignmentSet, Score, TrainingRun

WRITING = ("regenerate", "augment_keyword", "augment_related")


def told(found: Affected) -> list[Derived]:
    """Scores, sets and trainings that derive from these prompts."""
    sets = found.values(AlignmentSample.objects.order_by(), "alignment_set")
    trainings = TrainingRun.objects.filter(alignment_set__in=sets).select_related("run").order_by("id")
    made = AlignmentSet.objects.filter(pk__in=sets).order_by("id")
    return [
        Derived(_("Scores"), found.count(Score.objects.order_by()), _("They stay: numbers, no texts.")),
        Derived(
            _("Alignment sets"),
            len(sets),
            _("They are marked, their frozen files removed, and what may not leave is taken out of their exports."),
            tuple((one.name, reverse("pipeline:set", args=[one.pk])) for one in made),
        ),
        Derived(
            _("Trainings"),
            len(trainings),
            _("They are marked; their copies of the samples and their logs are removed. The models stay."),
            tuple((run_name(one.run), reverse("pipeline:training", args=[one.run_id])) for one in trainings),
        ),
    ]


def blank(ids: Sequence[int]) -> set[str]:
    """Nothing: scores hold no texts, and samples point to those of the prompts."""
    return set()


def finish() -> None:
    """Mark every set with the number of its withdrawn samples, and take their texts out of its files."""
    gone = AlignmentSample.objects.filter(prompt__state=Prompt.State.WITHDRAWN).order_by()
    for pk, count in list(gone.values_list("alignment_set").annotate(n=Count("id"))):
        made = AlignmentSet.objects.get(pk=pk)
        _clear_files(made)
        AlignmentSet.objects.filter(pk=pk).update(withdrawn=count)


def _clear_files(made: AlignmentSet) -> None:
    """A frozen file is what its hash says, so it goes whole; an export is written anew without what was withdrawn."""
    Path(settings.VAR_DIR, "sets", f"set-{made.pk}.jsonl").unlink(missing_ok=True)
    exported = export_file(made)
    if exported.is_file():
        write_jsonl(exported, alpaca_rows(made, barred_prompts(made)))
    for training in made.trainings.all():
        folder = Path(settings.VAR_DIR, training.folder)
        for name in ("dataset", "cache"):
            shutil.rmtree(folder / name, ignore_errors=True)
        with suppress(FileNotFoundError):
            (folder / "train.log").unlink()


PART = Part(told, blank, finish, WRITING)
