"""The first page: how far the method is, the one next step, what waits for this person, what runs, what happened.

It looks into all apps, so it lives in the uppermost one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext
from django.views.decorators.http import require_GET

from annotation.merge.telling import step_text
from annotation.models import LabelOperation, Prompt, ReviewItem
from annotation.selectors import labels_undecided
from evaluation import selectors
from evaluation.pages import TITLES
from evaluation.reviewing import KIND
from madsafe_web.core.access import can, needs, scoped
from madsafe_web.core.auditing.words import OF_THE_FEED, told
from madsafe_web.core.context import review_count
from madsafe_web.core.method import (
    BROKEN,
    WAITING,
    WORKING,
    StepState,
    Text,
    newest_runs,
    run_name,
    stage_name,
    stage_purpose,
    step_states,
)
from madsafe_web.core.models import AuditEvent, Run, User
from madsafe_web.core.people import person
from madsafe_web.core.runs.pages import duration, sums_of
from madsafe_web.core.runs.progress import progress
from madsafe_web.core.wording import worded

FEED = 10
MOST_RUNNING = 5
KEPT_S = 3600
# Stages that are started on a page of their own.
PAGES = {"import": "annotation:corpora", "publish": "annotation:merge", "train": "pipeline:training-launch"}
# What a step's figure counts: the rows that the newest runs of these stages kept.
COUNTED: dict[int, tuple[tuple[str, ...], Text]] = {
    2: (("label",), gettext_lazy("prompts labelled")),
    3: (("merge",), gettext_lazy("labels decided")),
    4: (("reject",), gettext_lazy("prompts kept")),
    5: (("augment_keyword", "augment_related"), gettext_lazy("prompts written")),
    6: (("regenerate",), gettext_lazy("responses written")),
    7: (("instruction_safety",), gettext_lazy("prompts scored")),
    8: (("freeze",), gettext_lazy("samples frozen")),
    9: (("train",), gettext_lazy("samples trained on")),
    10: (("evaluate",), gettext_lazy("answers judged or marked")),
}


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step in the chain; `total` 0 = no bar."""

    number: int
    name: Text
    state: str
    url: str
    count: str
    text: str
    done: int
    total: int
    when: datetime | None


@dataclass(frozen=True, slots=True)
class Next:
    """The one next step: a link, or with `post` a form with these hidden fields."""

    number: int
    title: str
    text: str
    action: str
    url: str
    post: bool = False
    fields: dict[str, str] = field(default_factory=dict)
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    name: str
    url: str
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class Running:
    name: str
    url: str
    percent: float
    done: int
    total: int
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    actor: str
    text: str
    when: datetime


@dataclass(frozen=True, slots=True)
class Score:
    """A benchmark's score of both models in percent."""

    name: str
    base: float
    tuned: float


@require_GET
@needs("browse")
def overview(request: HttpRequest) -> HttpResponse:
    user = person(request)
    if request.headers.get("HX-Target") == "running":  # the page asks itself every few seconds for this part alone
        return render(request, "overview.html#running", {"running": running(user)})
    newest = newest_runs()
    steps = step_states(newest)
    sums = sums_of(newest.values())
    undecided = labels_undecided()
    context: dict[str, Any] = {
        "next_step": next_step(steps, sums, user, undecided),
        "steps": [step_line(step, sums) for step in steps],
        "chain_summary": chain_summary(steps),
        "waiting": waiting(user, undecided),
        "running": running(user),
        "activity": activity(user),
        "last_results": last_results(),
    }
    return render(request, "overview.html", context)


# --- the chain ---


def step_line(step: StepState, sums: dict[int, dict[str, int]]) -> StepLine:
    """A step with its figure; one in work shows how far its run is instead."""
    busy = next((run for run in step.runs if run.state in WORKING), None)
    count, text = "", ""
    if busy:
        text = stage_name(busy.stage)
    elif step.number == 1:
        count, text = amount(Prompt.objects.count(), _("prompts in all"))
    elif step.number in COUNTED and step.state in ("done", "stale"):
        stages, words = COUNTED[step.number]
        count, text = amount(sum(sums[run.pk]["kept"] for run in step.runs if run.stage in stages), str(words))
    done, total = (sums[busy.pk]["read"], busy.total or 0) if busy else (0, 0)
    return StepLine(step.number, step.name, step.state, step.url, count, text, done, total, step.when)


def amount(count: int, words: str) -> tuple[str, str]:
    """A figure and its unit; nothing at all for none."""
    return (f"{count:,}", words) if count else ("", "")


def chain_summary(steps: list[StepState]) -> str:
    states = [step.state for step in steps]
    words = {
        "done": _("%(count)s done"),
        "run": _("%(count)s running"),
        "people": _("%(count)s waiting for people"),
        "failed": _("%(count)s failed"),
        "stale": _("%(count)s stale"),
    }
    return " · ".join(text % {"count": states.count(word)} for word, text in words.items() if word in states)


# --- the next step ---


def next_step(steps: list[StepState], sums: dict[int, dict[str, int]], user: User, undecided: int) -> Next:
    """What to do about the first step that is not done; when all are, what people can still add."""
    step = next((one for one in steps if one.state not in ("done", "stale")), None)
    step = step or next((one for one in steps if one.state == "stale"), None)
    if step is None:
        return people_next(user, undecided)
    for states, action in ((WORKING, _("Watch it")), (BROKEN, _("See what happened")), (WAITING, _("Go on"))):
        run = next((one for one in step.runs if one.state in states), None)
        if run:
            return run_next(step, run, action, sums)
    return stale_next(step, user) if step.state == "stale" else todo_next(step, user)


def stale_next(step: StepState, user: User) -> Next:
    """A step whose result rests on older data: done again from here where it is one stage that needs no choice."""
    text = _("Something before this step changed after it was done: its result rests on older data.")
    (stage, *others) = step.stages
    if others or stage in PAGES or not can(user, "run"):
        return Next(step.number, str(step.name), text, pgettext("button", "Open"), step.url)
    action = _("Do it again with the defaults")
    return Next(step.number, stage_name(stage), text, action, reverse("runs:start"), post=True, fields={"stage": stage})


def people_next(user: User, labels: int) -> Next:
    """Every step is done: open verdicts first, since they hold the result back, then labels, then the results."""
    reviews = selectors.open_reviews()
    if reviews:
        title = ngettext("%(n)s verdict is still open", "%(n)s verdicts are still open", reviews) % {"n": reviews}
        text = _("The results show bounds instead of a last word until reviewers have settled them.")
        mine = can(user, "review")
        url = reverse("annotation:review" if mine else "evaluation:results")
        return Next(10, title, text, _("Judge them") if mine else _("See the results"), url)
    if labels:
        title = ngettext("%(n)s label has no category", "%(n)s labels have no category", labels) % {"n": labels}
        text = _("Prompts that carry only such labels are in no category. Decide them and publish the next map.")
        return Next(3, title, text, _("Merge labels"), reverse("annotation:merge"))
    text = _("Compare the base model with the tuned one, or go round again for the weakest category.")
    return Next(10, _("All steps are done"), text, _("See the results"), reverse("evaluation:results"))


def run_next(step: StepState, run: Run, action: str, sums: dict[int, dict[str, int]]) -> Next:
    """A run of the step is in work, broke, or waits: its page says the rest; people merge on a page of its own."""
    merging = run.stage == "merge" and run.state == Run.State.NEEDS_PEOPLE
    url = reverse("annotation:merge") if merging else reverse("runs:detail", args=[run.pk])
    text = worded(run.error) or stage_purpose(run.stage)
    return Next(step.number, run_name(run), text, action, url, done=sums[run.pk]["read"], total=run.total or 0)


def todo_next(step: StepState, user: User) -> Next:
    """The next stage of a step that has not been carried out: to be started here, or on a page of its own."""
    done = {run.stage for run in step.runs}
    stage = next(one for one in step.stages if one not in done)
    title, text = stage_name(stage), stage_purpose(stage)
    right = {"train": "train", "publish": "publish", "import": "browse"}.get(stage, "run")
    if not can(user, right):
        return Next(step.number, title, f"{text} {_('A lead does this.')}", _("See the runs"), reverse("runs:list"))
    if stage in PAGES:
        return Next(step.number, title, text, pgettext("button", "Open"), reverse(PAGES[stage]))
    draft = scoped(user, Run).filter(stage=stage, state=Run.State.DRAFT).order_by("-id").first()
    if draft:
        return Next(step.number, run_name(draft), text, _("Start"), reverse("runs:resume", args=[draft.pk]), post=True)
    start = reverse("runs:start")
    return Next(step.number, title, text, _("Start with the defaults"), start, post=True, fields={"stage": stage})


# --- the boxes ---


def waiting(user: User, undecided: int) -> list[Waiting]:
    """What only people with this user's role can go on with; things of which there are none are left out."""
    found = []
    if can(user, "review"):
        text = _("uncertain answers to judge")
        found.append(Waiting(_("Review"), reverse("annotation:review"), review_count(user), text))
    if can(user, "merge"):
        found.append(Waiting(_("Labels"), reverse("annotation:merge"), undecided, _("undecided labels")))
    if can(user, "run"):
        resting = scoped(user, Run).filter(state__in=(*BROKEN, *WAITING)).count()
        found.append(Waiting(_("Runs"), reverse("runs:list"), resting, _("failed, paused or waiting")))
    return [one for one in found if one.count]


def running(user: User) -> list[Running]:
    """The newest runs in work, each with its pace."""
    found = []
    for run in scoped(user, Run).filter(state__in=WORKING).order_by("-id")[:MOST_RUNNING]:
        now = progress(run)
        pace = _("%(rate)s rows/s") % {"rate": f"{now.rate:.1f}"} if now.rate else ""
        left = _("%(time)s left") % {"time": duration(now.left)} if now.left else ""
        text = " · ".join(part for part in (pace, left) if part) or str(run.get_state_display())
        url = reverse("pipeline:training" if run.stage == "train" else "runs:detail", args=[run.pk])
        found.append(Running(run_name(run), url, 100 * (now.share or 0.0), now.read, now.total or 0, text))
    return found


def activity(user: User) -> list[Event]:
    """The newest things that people and commands did for the method, in two queries.

    Of decisions about labels only those of people: a rule makes thousands at once, and its run tells of them.
    """
    audits = scoped(user, AuditEvent).filter(OF_THE_FEED).order_by("-id")[:FEED]
    events = [Event(one.actor_name, told(one), one.at) for one in audits]
    decided = scoped(user, LabelOperation).filter(actor__isnull=False).select_related("actor")
    steps = decided.order_by("-id")[:FEED]
    events += [Event(one.actor.username, step_text(one), one.created) for one in steps if one.actor]
    return sorted(events, key=lambda event: event.when, reverse=True)[:FEED]


def last_results() -> list[Score]:
    """The scores of the newest evaluation; [] when there is none.

    Scores are computed from all stored answers, which change only by what people decide about them: so they are kept
    until one of these decisions changes.
    """
    run = selectors.newest_run()
    if run is None:
        return []
    decided = ReviewItem.objects.filter(kind=KIND).aggregate(
        count=Count("id", filter=~Q(resolution="")), newest=Max("resolved")
    )
    key = f"overview-results-{run.pk}-{decided['count']}-{decided['newest']}".replace(" ", "T")
    found: list[Score] | None = cache.get_or_set(key, lambda: scores(run), KEPT_S)
    return found or []


def scores(run: Run) -> list[Score]:
    """Benchmarks for which both models have a settled score."""
    return [
        Score(TITLES[result.benchmark], 100 * result.total.base.score, 100 * result.total.tuned.score)
        for result in selectors.results(run)
        if not result.open and result.total.base.score is not None and result.total.tuned.score is not None
    ]
