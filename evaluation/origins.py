"""Where a result comes from and how its verdicts came about, read for the results page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from django.db.models import CharField, Count, OuterRef, Subquery
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from annotation.models import DecidedBy, ReviewItem
from evaluation.comparison import BASE, TUNED
from evaluation.models import EvaluationRun, Verdict, Vote
from evaluation.reviewing import KIND
from evaluation.rows import NEW_SAFETY
from evaluation.selectors import BenchmarkResult
from evaluation.statistics import cohen_kappa
from madsafe_web.core.method import run_name
from madsafe_web.core.models import Run

ReviewCounts = Mapping[str, int]  # who resolved (DecidedBy) → review items; "" = nobody yet


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a list of facts; a `hash` is set in monospace, `url` leads to the thing itself."""

    name: str
    value: str
    url: str = ""
    hash: bool = False


def provenance(run: Run, result: BenchmarkResult) -> list[Fact]:
    """Run, benchmark version, models and protocol of a result, in one query."""
    rows = EvaluationRun.objects.filter(run=run, version__benchmark__name=result.benchmark)
    models = {subject: rest for subject, *rest in rows.values_list("subject", "endpoint__model", "model_sha256")}
    facts = [Fact(_("Run"), run_name(run), reverse("runs:detail", args=[run.pk]))]
    if run.finished:
        facts.append(Fact(_("Finished"), date_format(localtime(run.finished), "Y-m-d H:i")))
    facts.append(Fact(_("Benchmark version"), result.sha256, hash=True))
    names = ((BASE, _("Base model"), result.base_endpoint), (TUNED, _("Tuned model"), result.tuned_endpoint))
    for subject, title, endpoint in names:
        model, sha = models[subject]
        facts.append(Fact(title, f"{endpoint} ({model})" if model else endpoint))
        facts += [Fact(f"{title}, sha256", sha, hash=True)] if sha else []
    return facts + protocol(result)


def protocol(result: BenchmarkResult) -> list[Fact]:
    """How the models were asked and their answers read."""
    settings = result.settings
    modes = {
        "clp": _("most probable option letter"),
        "choice": _("more probable name of a reply"),
        "judge": _("judged by a model, twice in two wordings"),
    }
    facts = [Fact(pgettext("result", "Answers"), modes.get(settings.get("mode", ""), "–"))]
    if judge := settings.get("judge"):
        facts.append(Fact(_("Judge"), judge))
    if sampling := settings.get("sampling"):
        facts.append(Fact(_("Sampling"), ", ".join(f"{name} {value:g}" for name, value in sampling.items())))
    if result.total.chance is not None:
        facts.append(Fact(_("Guessing gives"), f"{100 * result.total.chance:.1f} %"))
    if "seed" in settings:
        facts.append(Fact(_("Seed"), str(settings["seed"])))
    facts += [Fact(f"{name}.txt", sha, hash=True) for name, sha in settings.get("templates", {}).items()]
    return facts


def review_counts(run: Run) -> Counter[str]:
    """Who resolved the run's uncertain verdicts, and how many wait (under ""), in one query."""
    verdicts = Verdict.objects.filter(answer__evaluation__run=run).annotate(subject=Cast("id", CharField()))
    items = ReviewItem.objects.filter(kind=KIND, subject__in=verdicts.values("subject"))
    found = items.order_by().values("resolved_by").annotate(n=Count("id")).values_list("resolved_by", "n")
    return Counter(dict(found))


def trust(run: Run, result: BenchmarkResult, reviews: ReviewCounts) -> list[Fact]:
    """How the verdicts of a judged benchmark came about, in two queries; [] where nothing was judged."""
    if result.benchmark != NEW_SAFETY:
        return []
    rows = Verdict.objects.filter(answer__evaluation__run=run).order_by()
    judged = Counter(dict(rows.values("judged").annotate(n=Count("id")).values_list("judged", "n")))
    total = judged.total()
    unclear = judged["uncertain"] + judged["judge_error"]
    facts = [
        Fact(_("Answers judged"), f"{total:,}"),
        Fact(_("Safe / unsafe by the judge"), f"{judged['safe']:,} / {judged['unsafe']:,}"),
        Fact(_("Uncertain or unreadable"), _share(unclear, total)),
        *_agreement(run),
        Fact(_("Settled by people"), f"{reviews.get(DecidedBy.PERSON, 0):,}"),
        Fact(_("Settled by rule"), f"{reviews.get(DecidedBy.RULE, 0):,}"),
        Fact(_("Wait for people"), f"{reviews.get(DecidedBy.NOBODY, 0):,}"),
    ]
    helpful = (
        (_("Safe and to the point, base"), result.total.base),
        (_("Safe and to the point, tuned"), result.total.tuned),
    )
    for name, score in helpful:
        facts.append(Fact(name, "–" if score.helpful is None else f"{100 * score.helpful:.1f} %"))
    return [*facts, Fact(_("Judge checked blind by people"), _("not measured"))]


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else "0"


def _agreement(run: Run) -> list[Fact]:
    """How often the judge's two wordings agree, over answers where both could be read."""
    second = Vote.objects.filter(answer=OuterRef("answer"), number=2).values("verdict")[:1]
    votes = Vote.objects.filter(answer__evaluation__run=run, number=1).annotate(second=Subquery(second))
    pairs = votes.order_by().values("verdict", "second").annotate(n=Count("id")).values_list("verdict", "second", "n")
    table: dict[tuple[Hashable, Hashable], int] = {(one, other): n for one, other, n in pairs if one and other}
    total = sum(table.values())
    if not total:
        return []
    agreed = sum(n for (one, other), n in table.items() if one == other)
    kappa = cohen_kappa(table)
    facts = [Fact(_("Both wordings agree"), _share(agreed, total))]
    return facts if kappa is None else [*facts, Fact(_("Cohen's kappa of the wordings"), f"{kappa:.2f}")]
