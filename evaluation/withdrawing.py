"""What this app has of the prompts of a withdrawn corpus: questions, answers to them, and what people are asked."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.derived import Affected, Derived, Part, among, written
from annotation.models import DecidedBy, Prompt, ReviewItem, Seat
from evaluation.models import Answer, EvaluationRun, Item, Verdict, Vote
from evaluation.reviewing import KIND, by_rule
from madsafe_web.core.method import run_name
from madsafe_web.core.models import Run
from pipeline.models import TrainingRun


def told(found: Affected) -> list[Derived]:
    """Questions, answers, review items, and the evaluations that asked them or a model trained on the prompts."""
    answers = Answer.objects.order_by()
    verdicts = found.values(Verdict.objects.order_by(), "id", "answer__item__prompt")
    items = ReviewItem.objects.filter(kind=KIND)
    asked = found.values(answers, "evaluation__run", "item__prompt")
    runs = Run.objects.filter(Q(pk__in=asked) | Q(pk__in=_of_models(found))).order_by("id")
    subjects = {str(pk) for pk in verdicts}
    review = sum(1 for subject in items.values_list("subject", flat=True) if subject in subjects)
    return [
        Derived(_("Questions of benchmarks"), found.count(Item.objects.order_by()), _("They are asked no more.")),
        Derived(
            _("Answers to them"), found.count(answers, "item__prompt"), _("Their texts are blanked; the scores stay.")
        ),
        Derived(_("Review items"), review, _("They are blanked; open ones are settled by rule.")),
        Derived(
            _("Evaluations"),
            len(runs),
            _("They are marked; their figures stay."),
            tuple((run_name(run), reverse("runs:detail", args=[run.pk])) for run in runs),
        ),
    ]


def _of_models(found: Affected) -> set[int]:
    """Evaluations of models that were trained on a set with some of these prompts."""
    trainings = TrainingRun.objects.exclude(tuned_sha256="").order_by()
    hashes = found.values(trainings, "tuned_sha256", "alignment_set__samples__prompt")
    return set(EvaluationRun.objects.filter(model_sha256__in=hashes).values_list("run", flat=True))


def blank(ids: Sequence[int]) -> set[str]:
    """Blank the answers to these prompts and what people were shown of them; gives the replies they came from."""
    answers = Answer.objects.filter(item__prompt__in=among(ids))
    if not answers.exists():
        return set()
    votes = Vote.objects.filter(answer__in=answers)
    replies = {str(key) for rows in (answers, votes) for key in written(rows)}
    _blank_items(list(Verdict.objects.filter(answer__in=answers)))
    votes.update(generation=None)
    answers.update(text="", generation=None)
    return replies


def _blank_items(verdicts: Sequence[Verdict]) -> None:
    """Empty the review items of these verdicts; nobody can answer the open ones any more, so the rule does."""
    items = ReviewItem.objects.filter(kind=KIND, subject__in=[str(one.pk) for one in verdicts])
    for resolution in ("safe", "unsafe"):
        subjects = [str(one.pk) for one in verdicts if by_rule(one) == resolution]
        waiting = items.filter(subject__in=subjects, state=ReviewItem.State.OPEN)
        Seat.objects.filter(item__in=waiting).exclude(state=Seat.State.ANSWERED).update(state=Seat.State.VOID)
        waiting.update(
            state=ReviewItem.State.RESOLVED,
            resolution=resolution,
            resolved_by=DecidedBy.RULE,
            resolved=timezone.now(),
        )
    items.update(prompt="", response="")


def finish() -> None:
    """Nothing: what was asked and of whom tells by itself which results rest on withdrawn prompts."""


def marks(run: Run, benchmark: str) -> list[str]:
    """Sentences about what was withdrawn since from under a result; [] for none. Three queries at most."""
    evaluations = EvaluationRun.objects.filter(run=run, version__benchmark__name=benchmark)
    gone = Item.objects.filter(version__in=evaluations.values("version"), prompt__state=Prompt.State.WITHDRAWN).count()
    hashes = [sha for sha in evaluations.values_list("model_sha256", flat=True) if sha]
    sets = TrainingRun.objects.filter(tuned_sha256__in=hashes, alignment_set__withdrawn__gt=0)
    found = []
    if gone:
        text = ngettext(
            "%(count)s question of this benchmark was withdrawn since. Its answers still count here.",
            "%(count)s questions of this benchmark were withdrawn since. Their answers still count here.",
            gone,
        )
        found.append(text % {"count": f"{gone:,}"})
    if sets.exists():
        found.append(_("The tuned model was trained on samples that were withdrawn since."))
    return found


PART = Part(told, blank, finish)
