"""What providers refused: how often by stage, by run and by category, and how much of it a fallback answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, QuerySet, Sum

from madsafe_web.core.method import NUMBER_OF, run_name, stage_name
from madsafe_web.core.models import Chunk, RowTrail, Run, RunRow
from madsafe_web.core.runs.stage import Outcome
from madsafe_web.core.runs.stages import point

NEWEST = 50  # runs that are listed
MOST_ROWS = 100_000  # that are counted by category; of a run with as many only what was refused is, if that is less
ASKED_AT_ONCE = 10_000
Categories = Callable[[Sequence[str]], dict[str, str]]  # keys of rows → key → category as it is shown


@dataclass(frozen=True, slots=True)
class Line:
    """Rows read, rows that were refused and not answered, also since the fallback failed, and rows that a fallback
    answered; `rows` None where nobody counted.

    `run` is the one that the line is about, 0 for none.
    """

    name: str
    rows: int | None
    refused: int
    answered: int
    run: int = 0

    @property
    def share(self) -> float | None:
        """How many of a hundred rows the first provider refused."""
        return 100 * (self.refused + self.answered) / self.rows if self.rows else None


def by_run(runs: QuerySet[Run]) -> list[Line]:
    """The runs of which anything was refused, the newest first, in five queries."""
    refused, answered = _counts(runs)
    ids = sorted({*refused, *answered}, reverse=True)
    read = dict(Chunk.objects.filter(run__in=ids).order_by().values_list("run").annotate(n=Sum("read")))
    held = runs.defer("outputs").in_bulk(ids)
    return [Line(run_name(held[pk]), read.get(pk, 0), refused[pk], answered[pk], pk) for pk in ids if pk in held]


def by_stage(runs: QuerySet[Run], lines: Sequence[Line]) -> list[Line]:
    """The stages of which anything was refused, in the order of the method; rows are those of all runs of the stage."""
    stage_of = dict(runs.filter(pk__in=[line.run for line in lines]).values_list("pk", "stage"))
    stages = sorted(set(stage_of.values()), key=lambda stage: NUMBER_OF.get(stage, 0))
    read = Chunk.objects.filter(run__in=runs.filter(stage__in=stages)).order_by().values_list("run__stage")
    rows = dict(read.annotate(n=Sum("read")))
    sums: dict[str, list[int]] = {stage: [0, 0] for stage in stages}
    for line in lines:
        sums[stage_of[line.run]][0] += line.refused
        sums[stage_of[line.run]][1] += line.answered
    return [Line(stage_name(stage), rows.get(stage, 0), *sums[stage]) for stage in stages]


def by_category(run: Run) -> list[Line] | None:
    """The categories of a run's rows, those most refused first; [] where nobody knows the categories of its rows.

    None where so much was refused, or answered by a fallback, that it is not counted by category.
    """
    if run.stage not in settings.RUN_SUBJECT_CATEGORIES:
        return []
    known: Categories = point(settings.RUN_SUBJECT_CATEGORIES[run.stage])
    rows = RunRow.objects.filter(run=run)
    ended = rows.filter(outcome=Outcome.PROVIDER_REFUSED)
    parts = ended, _unanswered().filter(run=run), _answered().filter(run=run)
    if any(part[:MOST_ROWS].count() == MOST_ROWS for part in parts):
        return None
    refused, unanswered, answered = (_spread(known, part.values_list("subject", flat=True)) for part in parts)
    refused.update(unanswered)
    counted = rows[:MOST_ROWS].count() < MOST_ROWS
    read = _spread(known, rows.values_list("subject", flat=True)) if counted else None
    names = {*refused, *answered, *(read or ())}
    lines = [Line(name, read[name] if read else None, refused[name], answered[name]) for name in names]
    return sorted(lines, key=lambda line: (-(line.share or 0.0), -line.refused - line.answered, line.name))


def _counts(runs: QuerySet[Run]) -> tuple[Counter[int], Counter[int]]:
    """Run id → rows that were refused and not answered; and rows that a fallback answered."""
    failing = Chunk.objects.filter(run__in=runs, failed__gt=0).values("run")
    ended = RunRow.objects.filter(run__in=failing, outcome=Outcome.PROVIDER_REFUSED).order_by()
    trails = (kind.filter(run__in=runs).order_by() for kind in (_unanswered(), _answered()))
    refused, unanswered, answered = (
        Counter(dict(found.values_list("run").annotate(n=Count("id")))) for found in (ended, *trails)
    )
    return refused + unanswered, answered


def _unanswered() -> QuerySet[RowTrail]:
    """Of rows that ended otherwise than as refused, mostly with an error of the fallback."""
    ended = RunRow.objects.filter(run=OuterRef("run"), subject=OuterRef("subject"), outcome=Outcome.PROVIDER_REFUSED)
    return RowTrail.objects.exclude(refused_by="").filter(~Exists(ended), answered_by="")


def _answered() -> QuerySet[RowTrail]:
    return RowTrail.objects.exclude(refused_by="").exclude(answered_by="")


def _spread(known: Categories, subjects: Iterable[str]) -> Counter[str]:
    """Category → number of rows; "" for rows without one."""
    keys, found = list(subjects), Counter[str]()
    for start in range(0, len(keys), ASKED_AT_ONCE):
        part = keys[start : start + ASKED_AT_ONCE]
        categories = known(part)
        found.update(categories.get(key, "") for key in part)
    return found
