"""Runs: what there is, making one of a stage, and its start, pause, resume and end."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from madsafe_web.core.access import can, scoped
from madsafe_web.core.api.errors import Conflict
from madsafe_web.core.api.fields import Body, Choice, Flag, Text
from madsafe_web.core.api.paging import ListQuery
from madsafe_web.core.api.problems import MEDIA_TYPE, problem
from madsafe_web.core.api.views import ApiView, ListView, NoBody
from madsafe_web.core.llm.prices import MILLION
from madsafe_web.core.method import NUMBER_OF, STAGES, stage_name, stage_purpose
from madsafe_web.core.models import Run
from madsafe_web.core.runs import drafts, dry, pages, service
from madsafe_web.core.runs.deadline import parsed
from madsafe_web.core.runs.drafts import run_deadline
from madsafe_web.core.runs.errors import ConfigError
from madsafe_web.core.runs.progress import Progress, progress
from madsafe_web.core.runs.starting import WITH_A_PAGE_OF_THEIR_OWN, run_queue

STARTED_HERE = [name for name in STAGES if name not in WITH_A_PAGE_OF_THEIR_OWN]


class Counts(serializers.Serializer[Any]):
    """Rows so far; `read` is the sum of the others."""

    read = serializers.IntegerField()
    kept = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    rejected = serializers.IntegerField()
    failed = serializers.IntegerField()


class RunLine(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    stage = serializers.CharField()
    state = serializers.ChoiceField(choices=Run.State.choices)
    total = serializers.IntegerField(allow_null=True, help_text="Rows to read, where that is known.")
    counts = Counts()
    offline_rules = serializers.BooleanField(help_text="Made by the offline rules: never to be published.")
    started_by = serializers.CharField()
    created = serializers.DateTimeField()
    started = serializers.DateTimeField(allow_null=True)
    finished = serializers.DateTimeField(allow_null=True)


class Failure(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="Class of the error, or how the row ended.")
    count = serializers.IntegerField()
    last_message = serializers.CharField(allow_blank=True)


class LogLine(serializers.Serializer[Any]):
    when = serializers.DateTimeField()
    text = serializers.CharField()


class Budget(serializers.Serializer[Any]):
    """The most that a run may use; null is no limit."""

    calls = serializers.IntegerField(allow_null=True)
    tokens = serializers.IntegerField(allow_null=True)
    money = serializers.FloatField(allow_null=True, help_text="In `currency`.")
    seconds = serializers.IntegerField(allow_null=True, help_text="Of work.")
    deadline = serializers.DateTimeField(allow_null=True, help_text="No call begins after it.")


class Used(serializers.Serializer[Any]):
    """What a run used so far; replies from the cache cost nothing."""

    calls = serializers.IntegerField()
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    money = serializers.FloatField(help_text="In `currency`.")
    currency = serializers.CharField(allow_blank=True)


class RunDetail(RunLine):
    params = serializers.DictField(help_text="The frozen parameters of the stage.")
    outputs = serializers.DictField(
        help_text="What the run made, by name; the `rows` of a dry run are for who may start runs."
    )
    error = serializers.CharField(allow_blank=True, help_text="What happened, what was kept, what to do.")
    share = serializers.FloatField(allow_null=True, min_value=0, max_value=1, help_text="How much is done.")
    rate = serializers.FloatField(allow_null=True, help_text="Rows per second since the newest start.")
    ends = serializers.DateTimeField(allow_null=True, help_text="When it will have ended at this rate.")
    budget = Budget()
    used = Used()
    shared_cache = serializers.BooleanField(help_text="Replies that other runs stored answer its calls.")
    failures = Failure(many=True)
    log = LogLine(many=True, help_text="The newest lines, newest first.")


class StageShown(serializers.Serializer[Any]):
    stage = serializers.CharField()
    name = serializers.CharField()
    purpose = serializers.CharField(allow_blank=True)
    step = serializers.IntegerField(help_text="Step of the method, 1 to 10.")
    started_at = serializers.CharField(help_text="The address that takes a POST to begin one.")
    params = serializers.DictField(help_text="JSON Schema of its parameters, with their defaults.")


class StageList(serializers.Serializer[Any]):
    results = StageShown(many=True)


class RunQuery(ListQuery):
    stage = serializers.ChoiceField(choices=list(STAGES), required=False)
    state = serializers.ChoiceField(choices=Run.State.choices, required=False)


class NewRun(Body):
    stage = Choice(choices=STARTED_HERE)
    params = serializers.DictField(required=False, help_text="See `stages`; what is left out has its default.")
    start = Flag(required=False, default=False, help_text="Start it at once.")
    shared_cache = Flag(
        required=False, default=True, help_text="Replies that other runs stored answer its calls; false asks all anew."
    )
    deadline = Text(
        required=False,
        max_length=40,
        help_text="A time or how long from now (90m, 8h, 2d): no call to a model begins after it. For a stage that "
        "works row by row.",
    )


def run_lines(runs: list[Run]) -> list[dict[str, Any]]:
    """Runs as lines of a list, in one query."""
    sums = pages.sums_of(runs)
    return [dict(RunLine(facts(run, sums[run.pk])).data) for run in runs]


def facts(run: Run, counts: dict[str, int]) -> dict[str, Any]:
    names = ("id", "stage", "state", "total", "offline_rules", "created", "started", "finished")
    return {**{name: getattr(run, name) for name in names}, "counts": counts, "started_by": run.actor_name}


def run_detail(run: Run, *, rows: bool = False) -> dict[str, Any]:
    """A run with its progress, failures and log, in four queries.

    `rows`: with the rows of a dry run, which hold opinions of judges that reviewers must not see.
    """
    now = progress(run)
    shown = rows or run.stage != dry.STAGE
    counts = {name: getattr(now, name) for name in service.COUNTS}
    return dict(
        RunDetail(
            {
                **facts(run, counts),
                **{name: getattr(run, name) for name in ("params", "error")},
                "outputs": {name: value for name, value in run.outputs.items() if shown or name != "rows"},
                **{name: getattr(now, name) for name in ("share", "rate", "ends")},
                "budget": budget(run),
                "used": used(run, now),
                "shared_cache": run.shared_cache,
                "failures": pages.errors(run),
                "log": pages.log(run),
            }
        ).data
    )


def budget(run: Run) -> dict[str, Any]:
    """The most that a run may use, money in the currency's unit."""
    limits = drafts.limits_of(run)
    money = None if limits.cost is None else limits.cost / MILLION
    shown = {"calls": limits.calls, "tokens": limits.tokens, "money": money, "seconds": limits.seconds}
    return {**shown, "deadline": run.deadline}


def used(run: Run, now: Progress) -> dict[str, Any]:
    """What a run used, money in the currency's unit."""
    counts = {name: getattr(now, name) for name in ("calls", "prompt_tokens", "completion_tokens")}
    return {**counts, "money": now.cost / MILLION, "currency": run.currency}


class Stages(ApiView):
    @extend_schema(operation_id="stages_list", responses=StageList)
    def get(self, request: Request) -> Response:
        """List the stages with the parameters that each takes."""
        return Response(StageList({"results": [stage_shown(name) for name in STAGES]}).data)


def stage_shown(name: str) -> dict[str, Any]:
    from pydantic import TypeAdapter  # here: the web process seldom needs it

    from madsafe_web.core.runs.stages import stage

    place = {"import": "/api/v1/corpora/", "train": "/api/v1/trainings/"}.get(name, "/api/v1/runs/")
    return {
        "stage": name,
        "name": stage_name(name),
        "purpose": stage_purpose(name),
        "step": NUMBER_OF[name],
        "started_at": place,
        "params": TypeAdapter(stage(name).params).json_schema(),
    }


class Runs(ListView):
    write_right = "run"
    query_form = RunQuery

    @extend_schema(operation_id="runs_list", responses=RunLine(many=True))
    def get(self, request: Request) -> Response:
        """List the runs."""
        wanted = {name: self.asked[name] for name in ("stage", "state") if name in self.asked}
        return self.page(scoped(self.user, Run).filter(**wanted).defer("outputs"), run_lines)

    @extend_schema(operation_id="runs_create", request=NewRun, responses={201: RunDetail})
    def post(self, request: Request) -> Response:
        """Make a run of a stage. Parameters that the stage does not take answer 422."""
        return self.once(self.create)

    def create(self) -> Response:
        wanted = self.body(NewRun)
        try:
            until = parsed(wanted.get("deadline", ""))
        except ConfigError as error:
            raise ValidationError({"deadline": str(error)}) from None
        if until and not pages.is_by_rows(wanted["stage"]):
            raise ValidationError({"deadline": "A deadline is kept to by runs that work row by row only."})
        made = {"values": wanted.get("params", {}), "shared_cache": wanted["shared_cache"]}
        run = service.run_create(stage_name=wanted["stage"], user=self.user, **made)
        if until:
            run_deadline(run=run, when=until, user=self.user)
        if wanted["start"]:
            run_queue(run=run, user=self.user, verb="run.start")
        return Response(run_detail(run), status=201)


class RunOne(ApiView):
    @extend_schema(operation_id="runs_get", responses=RunDetail)
    def get(self, request: Request, pk: int) -> Response:
        """Show a run with its progress. Ask again every second or so to wait for its end."""
        return Response(run_detail(self.row(Run, pk), rows=can(self.user, "run")))


class RunWrite(ApiView):
    """A change of a run's state."""

    write_right = "run"

    def queue(self, pk: int, verb: str) -> Response:
        run = self.row(Run, pk)
        if run_queue(run=run, user=self.user, verb=verb):
            return Response(run_detail(run))
        if run.state in service.STARTABLE and run.error:
            # Not raised: that the run lacks something, or is behind its deadline, stays written.
            return Response(problem(409, run.error, state=run.state), status=409, content_type=MEDIA_TYPE)
        raise Conflict("The run is already in work or has ended.", state=run.state)

    def asked_to(self, pk: int, change: Any, refusal: str) -> Response:
        run = self.row(Run, pk)
        done = change(run, self.user)
        run.refresh_from_db()
        if not done:
            raise Conflict(refusal, state=run.state)
        return Response(run_detail(run))


class RunStart(RunWrite):
    @extend_schema(operation_id="runs_start", request=NoBody, responses=RunDetail)
    def post(self, request: Request, pk: int) -> Response:
        """Start a run. One that lacks what it reads fails, with the reason."""
        self.body(NoBody)
        return self.once(lambda: self.queue(pk, "run.start"))


class RunResume(RunWrite):
    @extend_schema(operation_id="runs_resume", request=NoBody, responses=RunDetail)
    def post(self, request: Request, pk: int) -> Response:
        """Go on with a run that was paused, failed or waits for people."""
        self.body(NoBody)
        return self.once(lambda: self.queue(pk, "run.resume"))


class RunPause(RunWrite):
    @extend_schema(operation_id="runs_pause", request=NoBody, responses=RunDetail)
    def post(self, request: Request, pk: int) -> Response:
        """Pause a run. Workers stop at the next group of rows; it is `pausing` until then."""
        self.body(NoBody)
        return self.once(lambda: self.asked_to(pk, service.run_pause, "The run is not in work."))


class RunCancel(RunWrite):
    @extend_schema(operation_id="runs_cancel", request=NoBody, responses=RunDetail)
    def post(self, request: Request, pk: int) -> Response:
        """End a run for good. What is written stays."""
        self.body(NoBody)
        return self.once(lambda: self.asked_to(pk, service.run_cancel, "The run has already ended."))
