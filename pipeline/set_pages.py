"""Reading what the pages of alignment sets show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.models import Category, Corpus, Prompt
from annotation.selectors import categories_of
from madsafe_web.core.access import can
from madsafe_web.core.audit import audit
from madsafe_web.core.charts.figures import category_bars
from madsafe_web.core.charts.shown import FigureShown
from madsafe_web.core.method import Text, run_name
from madsafe_web.core.models import User
from madsafe_web.core.runs.pages import Item, value_text
from madsafe_web.core.textio import sha256_file
from pipeline.freezing import export_file, export_renew
from pipeline.models import AlignmentSample, AlignmentSet, TrainingRun

EXAMPLES = {AlignmentSample.Kind.SAFETY: 7, AlignmentSample.Kind.GENERAL: 3}
EXACT = 1.0  # similarity of two prompts with the same character 3-grams
# What `select` counts as left out, in the order in which it looks; the rule's name; the parameter that sets it.
RULES: tuple[tuple[str, Text, str], ...] = (
    ("without a score", gettext_lazy("Has all three scores"), ""),
    ("not fluent enough", gettext_lazy("Most fluent share, by perplexity"), "perplexity_quantile"),
    ("response not safe enough", gettext_lazy("Safety of the response, at least"), "response_min"),
    ("too harmless an instruction", gettext_lazy("Safety of the instruction, at most"), "instruction_max"),
)


@dataclass(frozen=True, slots=True)
class SetLine:
    id: int
    name: str
    state: str
    safety: int
    general: int
    total: int
    map_version: int | None
    sha: str
    made: datetime
    withdrawn: int  # samples whose corpus was withdrawn since


@dataclass(frozen=True, slots=True)
class Rule:
    name: Text
    value: str
    removed: int
    left: int


@dataclass(frozen=True, slots=True)
class Sample:
    prompt_id: int
    text: str
    category: Category | None


@dataclass(frozen=True, slots=True)
class Leak:
    """Prompts that repeated a benchmark's and were taken out before the set was selected."""

    benchmark: str
    exact: int
    near: int
    removed: int


@dataclass(frozen=True, slots=True)
class Download:
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Used:
    id: int
    name: str
    state: str


def set_lines(sets: Iterable[AlignmentSet]) -> list[SetLine]:
    """The sets with what they really hold, in one query; each needs its `merge_map`."""
    made = list(sets)
    held = sample_counts(made)
    return [
        SetLine(
            id=one.pk,
            name=one.name,
            state=one.state,
            safety=held[one.pk][0],
            general=held[one.pk][1],
            total=sum(held[one.pk]),
            map_version=one.merge_map.version if one.merge_map else None,
            sha=one.sha256,
            made=one.frozen or one.created,
            withdrawn=one.withdrawn,
        )
        for one in made
    ]


def sample_counts(sets: Iterable[AlignmentSet]) -> dict[int, tuple[int, int]]:
    """Set id → number of safety and of general samples, in one query; every set asked for is in it."""
    found = {one.pk: (0, 0) for one in sets}
    kinds = AlignmentSample.Kind
    rows = AlignmentSample.objects.filter(alignment_set__in=list(found)).order_by("alignment_set")
    counted = rows.values_list("alignment_set").annotate(
        safety=Count("id", filter=Q(kind=kinds.SAFETY)), general=Count("id", filter=Q(kind=kinds.GENERAL))
    )
    return found | {pk: (safety, general) for pk, safety, general in counted}


def rules(made: AlignmentSet, safety: int) -> list[Rule]:
    """Each rule of the selection with what it took out and left, the check at freezing last."""
    left_out: dict[str, int] = made.counts.get("left_out", {})
    selected = made.counts.get("safety", safety)
    left = selected + sum(left_out.values())
    known = [reason for reason, _name, _parameter in RULES]
    others = [(reason, reason, "") for reason in left_out if reason not in known]
    found = []
    for reason, name, parameter in (*RULES, *others):
        left -= left_out.get(reason, 0)
        found.append(Rule(name, str(made.rule.get(parameter, "")), left_out.get(reason, 0), left))
    if made.state == AlignmentSet.State.FROZEN:
        found.append(Rule(_("Neither a benchmark's prompt nor empty"), "", selected - safety, safety))
    return found


def category_figure(made: AlignmentSet) -> FigureShown | None:
    """The safety samples by category; None where no sample has one."""
    rows = made.samples.filter(kind=AlignmentSample.Kind.SAFETY).order_by("category").values_list("category")
    counts = dict(rows.annotate(n=Count("id")))
    without = counts.pop("", 0)
    if not counts:
        return None
    categories = categories_of(made.merge_map_id)
    names = {code: one.name for code, one in categories.items()}
    colours = {code: one.token for code, one in categories.items()}
    chart = category_bars(counts, names, colours, axis=_("Samples"), columns=(_("Category"), _("Samples")))
    return FigureShown(
        id="fig-categories",
        title=_("Safety samples by category"),
        alt=_("Bars: the number of safety samples in each category."),
        size="bars",
        table=chart.table,
        spec=chart.figure,
        note=_("%(count)s samples have no category.") % {"count": without} if without else "",
    )


def examples(made: AlignmentSet) -> list[Sample]:
    """A few samples of either kind, in three queries."""
    category_of = categories_of(made.merge_map_id)
    found = []
    for kind, count in EXAMPLES.items():
        rows = made.samples.filter(kind=kind).order_by("id").values_list("prompt", "prompt__text", "category")
        found += [Sample(pk, text, category_of.get(code)) for pk, text, code in rows[:count]]
    return found


def leaks(made: AlignmentSet) -> list[Leak]:
    """Every stored benchmark with the prompts that overlapped it when the set was selected, in two queries."""
    overlaps = Prompt.objects.filter(state=Prompt.State.OVERLAP, state_run__lt=made.run_id).order_by("twin__corpus")
    counted = overlaps.values_list("twin__corpus").annotate(
        exact=Count("id", filter=Q(similarity__gte=EXACT)), near=Count("id", filter=Q(similarity__lt=EXACT))
    )
    found = {pk: (exact, near) for pk, exact, near in counted}
    benchmarks = Corpus.objects.filter(role=Corpus.Role.BENCHMARK).order_by("name").values_list("id", "name")
    return [Leak(name, *found.get(pk, (0, 0)), removed=sum(found.get(pk, (0, 0)))) for pk, name in benchmarks]


def card(made: AlignmentSet) -> list[Item]:
    """What the set is and how it came to be."""
    items = [
        (_("Made by"), run_name(made.run)),
        (_("Made"), when(made.created)),
        (_("Frozen"), when(made.frozen)),
        (_("Merge map"), str(made.merge_map or "–")),
        (_("Offline rules"), _("yes: not for publishing results") if made.offline_rules else _("no")),
        (_("File"), made.file or "–"),
    ]
    return [Item(name, value) for name, value in items] + [
        Item(name, value_text(value)) for name, value in sorted(made.rule.items()) if name != "name"
    ]


def when(moment: datetime | None) -> str:
    return date_format(localtime(moment), "Y-m-d H:i") if moment else "–"


def file_of(made: AlignmentSet, kind: str) -> Path | None:
    """The exported samples ("export") or the card ("card") where the file is there; None for anything else."""
    paths = {"export": export_file(made)}
    if made.file:
        paths["card"] = Path(settings.VAR_DIR, made.file).with_suffix(".md")
    path = paths.get(kind)
    root = Path(settings.VAR_DIR).resolve()
    return path if path and path.is_file() and path.resolve().is_relative_to(root) else None


def download_note(*, user: User, made: AlignmentSet, path: Path) -> None:
    """Write down that somebody takes a file of the set out, with the number of its lines.

    What may not leave any more is taken out of it before.
    """
    left_out = export_renew(made) if path == export_file(made) else 0
    with path.open("rb") as lines:
        rows = sum(1 for _ in lines)
    audit(
        user, "set.download", f"set {made.pk}", file=path.name, rows=rows, left_out=left_out, sha256=sha256_file(path)
    )


def downloads(made: AlignmentSet) -> list[Download]:
    words = {"export": _("Exported samples"), "card": _("Card")}
    there = [kind for kind in words if file_of(made, kind)]
    return [Download(words[kind], reverse("pipeline:set-file", args=[made.pk, kind])) for kind in there]


def trainings(made: AlignmentSet) -> list[Used]:
    rows = TrainingRun.objects.filter(alignment_set=made).select_related("run").order_by("-id")
    return [Used(one.run_id, run_name(one.run), one.run.state) for one in rows]


def set_context(made: AlignmentSet, user: User) -> dict[str, Any]:
    """Everything that the page of one set shows, in a fixed number of queries."""
    line = set_lines([made])[0]
    return {
        "set": line,
        "rules": rules(made, line.safety),
        "figure": category_figure(made),
        "categories": [],
        "samples": examples(made),
        "card": card(made),
        "leaks": leaks(made),
        "downloads": downloads(made) if can(user, "export") else [],
        "trainings": trainings(made),
        "can_train": made.state == AlignmentSet.State.FROZEN and can(user, "train"),
    }
