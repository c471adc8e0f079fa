"""The ten steps of the method (paper, chapters 3 to 5), and how far the newest runs have taken each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from madsafe_web.core.models import Run

Text = str | Promise  # translated when it is shown
S = Run.State
WORKING = (S.QUEUED, S.RUNNING, S.PAUSING, S.CANCELLING)
WAITING = (S.NEEDS_PEOPLE, S.PAUSED)
BROKEN = (S.FAILED, S.LOST, S.OVER_BUDGET)

# stage: name, purpose
STAGES: dict[str, tuple[Text, Text]] = {
    "import": (_("Import"), _("Reads files of prompts and responses into corpora.")),
    "withdraw": (_("Withdraw a corpus"), _("Blanks the texts of a corpus and marks what was made of them.")),
    "label": (pgettext_lazy("step", "Label"), _("Gives every prompt one to three intent labels.")),
    "import_labels": (_("Import labels"), _("Reads a file of labels, or of labels of a corpus's prompts.")),
    "suggest": (_("Suggest categories"), _("Proposes a category for every label.")),
    "propose": (_("Compare labels"), _("Finds labels that may mean the same, by their names and their prompts.")),
    "merge": (_("Merge labels"), _("Puts the labels into the categories.")),
    "publish": (_("Publish the map"), _("Fixes the map from labels to categories as a version.")),
    "deduplicate": (_("Remove duplicates"), _("Marks repeated prompts and those that overlap a benchmark.")),
    "reject": (_("Balance"), _("Marks surplus prompts of over-full categories as rejected.")),
    "augment_keyword": (_("Augment by keywords"), _("Writes prompts for thin categories from keywords.")),
    "augment_related": (_("Augment by relation"), _("Writes prompts that are related to existing ones.")),
    "regenerate": (_("Regenerate responses"), _("Writes safe responses with their reasoning.")),
    "perplexity": (_("Score perplexity"), _("Measures how fluent every prompt is.")),
    "response_safety": (_("Score responses"), _("Compares how safe the responses of each prompt are.")),
    "instruction_safety": (_("Score instructions"), _("Measures how strong an attack every prompt is.")),
    "sample_general": (_("Sample general prompts"), _("Draws general prompts that keep the model useful.")),
    "select": (_("Select the set"), _("Chooses the samples of the alignment set by their scores.")),
    "freeze": (_("Freeze the set"), _("Fixes the set under a hash; it never changes again.")),
    "export": (_("Export the set"), _("Writes the frozen set for training.")),
    "train": (_("Train"), _("Fine-tunes the base model on the frozen set.")),
    "evaluate": (_("Evaluate"), _("Asks the base and the tuned model the benchmarks and judges the answers.")),
    "dry_run": (_("Dry run"), _("Asks a few rows of a stage and estimates what all of them would take.")),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the stages that carry it out, and the page where people work on it ("" = the page of its run)."""

    number: int
    name: Text
    stages: tuple[str, ...]
    page: str = ""


STEPS = (
    Step(1, _("Import"), ("import",), "annotation:corpora"),
    Step(2, pgettext_lazy("step", "Label"), ("label",)),
    Step(3, _("Merge"), ("suggest", "merge", "publish"), "annotation:merge"),
    Step(4, _("Clean"), ("deduplicate", "reject")),
    Step(5, _("Augment"), ("augment_keyword", "augment_related")),
    Step(6, _("Regenerate"), ("regenerate",)),
    Step(7, _("Score"), ("perplexity", "response_safety", "instruction_safety")),
    Step(8, _("Select"), ("sample_general", "select", "freeze", "export"), "pipeline:sets"),
    Step(9, _("Train"), ("train",), "pipeline:trainings"),
    Step(10, _("Evaluate"), ("evaluate",), "evaluation:results"),
)
# A stage that belongs to a step without being part of it: a step is done without it.
BESIDE = {"withdraw": 1, "import_labels": 2, "propose": 3, "dry_run": 0}
NUMBER_OF = BESIDE | {stage: step.number for step in STEPS for stage in step.stages}


@dataclass(frozen=True, slots=True)
class StepState:
    """How far one step is: done, run, people, stale, failed or todo; `runs` are the newest of its stages, in order."""

    number: int
    name: Text
    state: str
    url: str
    runs: tuple[Run, ...]
    stages: tuple[str, ...]

    @property
    def when(self) -> datetime | None:
        """When the last of its stages ended."""
        return max((run.finished for run in self.runs if run.finished), default=None)


def stage_name(stage: str) -> str:
    """The name of a stage for people; of one that the method does not know, its own name in words."""
    return str(STAGES[stage][0]) if stage in STAGES else stage.replace("_", " ").capitalize()


def stage_purpose(stage: str) -> str:
    """What a stage does, in one sentence; "" for one that the method does not know."""
    return str(STAGES[stage][1]) if stage in STAGES else ""


def run_name(run: Run) -> str:
    return f"{stage_name(run.stage)} #{run.pk}"


def newest_runs() -> dict[str, Run]:
    """Stage of a step → its newest run, in one query. Runs that never started or were cancelled do not count.

    Every page asks for them, so what a run made, which may be large, stays in the database.
    """
    begun = (
        Run.objects.exclude(state__in=(S.DRAFT, S.CANCELLED))
        .exclude(stage__in=BESIDE)
        .values("stage")
        .annotate(newest=Max("id"))
    )
    return {run.stage: run for run in Run.objects.filter(pk__in=begun.values("newest")).defer("outputs")}


def step_states(newest: Mapping[str, Run] | None = None) -> list[StepState]:
    """The ten steps in order, from the newest run of each stage."""
    newest = newest_runs() if newest is None else newest
    runs = [tuple(newest[stage] for stage in step.stages if stage in newest) for step in STEPS]
    found = []
    for place, step in enumerate(STEPS):
        earlier = [run for group in runs[:place] for run in group]
        state = _state(runs[place], len(step.stages), any(runs[place + 1 :]))
        if state == "done" and _is_stale(runs[place], earlier):
            state = "stale"
        found.append(StepState(step.number, step.name, state, _url(step, runs[place]), runs[place], step.stages))
    return found


def _state(runs: Sequence[Run], wanted: int, went_on: bool) -> str:
    """A step of which a stage was left out is done as soon as a later step has begun."""
    states = {run.state for run in runs}
    for word, group in (("run", WORKING), ("failed", BROKEN), ("people", WAITING)):
        if states.intersection(group):
            return word
    return "done" if runs and (len(runs) == wanted or went_on) else "todo"


def _is_stale(runs: Iterable[Run], earlier: Iterable[Run]) -> bool:
    """Whether something before the step ended after the step had begun: its result rests on older data."""
    began = min((run.started for run in runs if run.started), default=None)
    return began is not None and any(run.finished > began for run in earlier if run.finished and run.state == S.DONE)


def _url(step: Step, runs: Sequence[Run]) -> str:
    if step.page:
        return reverse(step.page)
    return reverse("runs:detail", args=[runs[-1].pk]) if runs else f"{reverse('runs:list')}?stage={step.stages[0]}"
